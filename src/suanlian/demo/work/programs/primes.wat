;; How many primes lie below one million, and what is their checksum?
;;
;; The WebAssembly variant of count_primes.py: the same sieve and the same checksum (see there). Needs WASI preview 1 with the
;; working directory as the first preopened one (descriptor 3). Prints and writes to out/result.json the same bytes as that variant:
;; {"below":N,"checksum":"C","primes":K}
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $path_create_directory (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))

  ;; page 0: text, results of calls (at 256), the line (from 512), digits (before 1024); the sieve, one byte a number, from 65536
  (memory (export "memory") 17)
  (data (i32.const 0) "out/result.json")
  (data (i32.const 32) "{\"below\":")
  (data (i32.const 64) ",\"checksum\":\"")
  (data (i32.const 96) "\",\"primes\":")
  (data (i32.const 128) "}\n")

  (global $below i32 (i32.const 1000000))
  (global $sieve i32 (i32.const 65536))
  (global $line i32 (i32.const 512))
  (global $line_end (mut i32) (i32.const 512))

  ;; marks every composite number below $below with 1
  (func $mark_composites
    (local $number i32)
    (local $multiple i32)
    (local.set $number (i32.const 2))
    (loop $numbers
      (if (i32.eqz (i32.load8_u (i32.add (global.get $sieve) (local.get $number))))
        (then
          (local.set $multiple (i32.mul (local.get $number) (local.get $number)))
          (loop $multiples
            (if (i32.lt_u (local.get $multiple) (global.get $below))
              (then
                (i32.store8 (i32.add (global.get $sieve) (local.get $multiple)) (i32.const 1))
                (local.set $multiple (i32.add (local.get $multiple) (local.get $number)))
                (br $multiples))))))
      (local.set $number (i32.add (local.get $number) (i32.const 1)))
      (br_if $numbers
        (i32.lt_u (i32.mul (local.get $number) (local.get $number)) (global.get $below)))))

  ;; appends $length bytes from $from to the line
  (func $append (param $from i32) (param $length i32)
    (memory.copy (global.get $line_end) (local.get $from) (local.get $length))
    (global.set $line_end (i32.add (global.get $line_end) (local.get $length))))

  ;; appends an unsigned number in decimal; its digits are laid down from the last, before address 1024
  (func $append_number (param $value i64)
    (local $first i32)
    (local.set $first (i32.const 1024))
    (loop $digits
      (local.set $first (i32.sub (local.get $first) (i32.const 1)))
      (i32.store8 (local.get $first)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))))
      (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
      (br_if $digits (i64.ne (local.get $value) (i64.const 0))))
    (call $append (local.get $first) (i32.sub (i32.const 1024) (local.get $first))))

  ;; ends the program with a trap if a call of the system did not return 0
  (func $require (param $error i32)
    (if (local.get $error) (then (unreachable))))

  ;; writes the line to a descriptor
  (func $write_line (param $descriptor i32)
    (i32.store (i32.const 256) (global.get $line))
    (i32.store (i32.const 260) (i32.sub (global.get $line_end) (global.get $line)))
    (call $require (call $fd_write (local.get $descriptor) (i32.const 256) (i32.const 1) (i32.const 264))))

  ;; opens out/result.json anew for writing (create 1, truncate 8; right to write 64) and returns its descriptor
  (func $open_result (result i32)
    ;; an error here means that the directory is there already; if it is not, opening fails
    (drop (call $path_create_directory (i32.const 3) (i32.const 0) (i32.const 3)))
    (call $require
      (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 15) (i32.const 9)
        (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 268)))
    (i32.load (i32.const 268)))

  (func (export "_start")
    (local $number i32)
    (local $primes i64)
    (local $checksum i64)
    (call $mark_composites)
    (local.set $number (i32.const 2))
    (loop $numbers
      (if (i32.eqz (i32.load8_u (i32.add (global.get $sieve) (local.get $number))))
        (then
          (local.set $primes (i64.add (local.get $primes) (i64.const 1)))
          (local.set $checksum
            (i64.add
              (i64.mul (local.get $checksum) (i64.const 6364136223846793005))
              (i64.extend_i32_u (local.get $number))))))
      (local.set $number (i32.add (local.get $number) (i32.const 1)))
      (br_if $numbers (i32.lt_u (local.get $number) (global.get $below))))
    (call $append (i32.const 32) (i32.const 9))
    (call $append_number (i64.extend_i32_u (global.get $below)))
    (call $append (i32.const 64) (i32.const 13))
    (call $append_number (local.get $checksum))
    (call $append (i32.const 96) (i32.const 11))
    (call $append_number (local.get $primes))
    (call $append (i32.const 128) (i32.const 2))
    (call $write_line (i32.const 1))
    (call $write_line (call $open_result))))
