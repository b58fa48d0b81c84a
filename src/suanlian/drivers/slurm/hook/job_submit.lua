-- Written by `suanlian-agent lending install-hook`, because there was none.
dofile("@DIRECTORY@/suanlian_lend.lua")

function slurm_job_submit(job_desc, part_list, submit_uid)
    suanlian_lend(job_desc, part_list)
    return slurm.SUCCESS
end

function slurm_job_modify(job_desc, job_rec, part_list, modify_uid)
    return slurm.SUCCESS
end

return slurm.SUCCESS
