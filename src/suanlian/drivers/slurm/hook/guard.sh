# suanlian-lend 1 begin: whether this job runs its body here, or tells the end that it had elsewhere; leave it as it is
suanlian_tries=0
until suanlian_says=$(env -i ${SLURM_CONF:+"SLURM_CONF=$SLURM_CONF"} "@SCONTROL@" show job "$SLURM_JOB_ID" 2>&1) &&
    case "$suanlian_says" in "JobId=$SLURM_JOB_ID "*) true ;; *) false ;; esac
do
    suanlian_tries=$((suanlian_tries + 1))
    if [ "$suanlian_tries" -ge 30 ]; then
        echo "suanlian: Slurm does not say whether this job is lent, so its body is not run" >&2
        exit 125
    fi
    sleep 2
done
suanlian_says=$(
    printf '%s\n' "$suanlian_says" |
        sed -n 's/^ *AdminComment=suanlian\/1 \([0-9a-f]*\) \([a-z]*\).*/\2 \1/p' | tr '\n' ' '
)
case "$suanlian_says" in
"") ;;
*" "*" "*" "*)
    echo "suanlian: this job carries several marks, so its body is not run" >&2
    exit 125
    ;;
"home "*) ;;
"back "*)
    suanlian_says=${suanlian_says#back }
    suanlian_end="@SPOOL@/${suanlian_says% }"
    suanlian_code=$(sed -n 's/^exit \([0-9][0-9]*\)$/\1/p' "$suanlian_end/end" 2>/dev/null)
    suanlian_sizes=$(sed -n 's/^sizes //p' "$suanlian_end/end" 2>/dev/null)
    suanlian_found=$(cat "$suanlian_end/stdout" 2>/dev/null | wc -c; cat "$suanlian_end/stderr" 2>/dev/null | wc -c)
    if [ -z "$suanlian_code" ] || [ "$suanlian_sizes" != "$(echo $suanlian_found)" ]; then
        echo "suanlian: this job ran elsewhere, and its end is not whole in $suanlian_end; its body is not run" >&2
        exit 125
    fi
    cat "$suanlian_end/stdout"
    cat "$suanlian_end/stderr" >&2
    if [ -d "$suanlian_end/outputs" ] && ! cp -R "$suanlian_end/outputs/." .; then
        echo "suanlian: this job ran elsewhere with exit $suanlian_code; its files stay in $suanlian_end/outputs" >&2
        exit 125
    fi
    exit "$suanlian_code"
    ;;
*)
    echo "suanlian: this job is lent and may run elsewhere, so its body is not run ($suanlian_says)" >&2
    exit 125
    ;;
esac
unset suanlian_tries suanlian_says
# suanlian-lend 1 end
