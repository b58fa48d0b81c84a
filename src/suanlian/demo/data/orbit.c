/*
 * The work of the four-architecture job: the same bytes come out on every instruction set, or something is wrong.
 *
 * It counts how long points stay near the origin under z -> z*z + c, and adds up orbits in double precision. There is
 * no C library in it, so that a cross compiler has nothing else to build: it writes by one system call and ends by one.
 * Compiled with -ffp-contract=off no multiply-add is fused, and IEEE 754 leaves no choice in any operation here.
 */

typedef unsigned long long u64;

enum { SIDE = 96, LIMIT = 200 };

#if defined(__wasm__)

struct piece { const char *at; unsigned long length; };

__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write")))
int fd_write(int fd, const struct piece *pieces, int count, unsigned long *written);
__attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_exit"), noreturn))
void proc_exit(int code);

static void put(const char *text, unsigned long length) {
    struct piece one = {text, length};
    unsigned long written = 0;
    fd_write(1, &one, 1, &written);
}

static void end(int code) { proc_exit(code); }

#elif defined(__x86_64__)

static long call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static void put(const char *text, unsigned long length) { call(1, 1, (long)text, (long)length); }
static void end(int code) { call(231, code, 0, 0); }

#elif defined(__aarch64__)

static long call(long number, long a, long b, long c) {
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

static void put(const char *text, unsigned long length) { call(64, 1, (long)text, (long)length); }
static void end(int code) { call(94, code, 0, 0); }

#elif defined(__riscv)

static long call(long number, long a, long b, long c) {
    register long a7 __asm__("a7") = number, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
    return a0;
}

static void put(const char *text, unsigned long length) { call(64, 1, (long)text, (long)length); }
static void end(int code) { call(94, code, 0, 0); }

#else
#error "no system calls are known for this instruction set"
#endif

static u64 mixed(u64 hash, u64 value) { /* FNV-1a, a word at a time */
    for (int byte = 0; byte < 8; byte++) hash = (hash ^ ((value >> (8 * byte)) & 255)) * 1099511628211ULL;
    return hash;
}

static u64 bits(double number) {
    union { double number; u64 bits; } same;
    same.number = number;
    return same.bits;
}

static void line(const char *name, u64 value, unsigned base) {
    char text[96];
    int at = 96;
    text[--at] = '\n';
    do {
        text[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    text[--at] = ' ';
    int length = 0;
    while (name[length]) length++;
    while (length) text[--at] = name[--length];
    put(text + at, (unsigned long)(96 - at));
}

#if defined(__x86_64__)
__attribute__((force_align_arg_pointer))
#endif
void _start(void) {
    u64 steps = 0, inside = 0, hash = 14695981039346656037ULL;
    double total = 0.0;
    for (int row = 0; row < SIDE; row++) {
        for (int column = 0; column < SIDE; column++) {
            double cx = -2.2 + 3.2 * column / SIDE, cy = -1.6 + 3.2 * row / SIDE, x = 0.0, y = 0.0;
            int step = 0;
            while (step < LIMIT && x * x + y * y <= 4.0) {
                double next = x * x - y * y + cx;
                y = 2.0 * x * y + cy;
                x = next;
                step++;
            }
            steps += (u64)step;
            inside += step == LIMIT;
            total += x / (1.0 + y * y);
            hash = mixed(mixed(hash, bits(x)), bits(y));
        }
    }
    line("points inside", inside, 10);
    line("steps", steps, 10);
    line("bits of the sum", bits(total), 16);
    line("hash of all orbits", hash, 16);
    end(0);
}
