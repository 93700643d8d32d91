/* Linked with the program (-Wl,--wrap), this makes mudepth-held: a mudepth that a test can meet in
 * the midst of its work, however fast the machine is (hold.h). Where MUDEPTH_HOLD names a FIFO that
 * somebody reads, each of its processes says there that it is about to make its training step
 * number MUDEPTH_HOLD_STEP, and stays there until the reader closes the FIFO. It says so again when
 * a signal reached it meanwhile; and a sweep says when it has told its workers to stop. What is
 * said is the process's number. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "../commands/worker_pool.h"
#include "../core/step.h"

static int fifo = -1;
static struct sigaction earlier[2];

static int said(void) {
    pid_t self = getpid();
    return write(fifo, &self, sizeof self) == sizeof self;
}

/* To whom it is for, and then it is said. (Whichever thread it reached.) */
static void hand_on(int number) {
    sigaction(number, &earlier[number == SIGTERM], NULL);
    raise(number);
    said();
}

static int open_fifo(void) {
    const char *path = getenv("MUDEPTH_HOLD");
    signal(SIGPIPE, SIG_IGN);
    fifo = path != NULL ? open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    return fifo >= 0;
}

static void close_fifo(void) {
    close(fifo);
    fifo = -1;
}

static void stay(void) {
    struct sigaction action = {.sa_handler = hand_on, .sa_flags = (int)SA_NODEFER};
    if (!open_fifo())
        return;
    sigaction(SIGINT, &action, &earlier[0]);
    sigaction(SIGTERM, &action, &earlier[1]);
    struct pollfd closed = {fifo, 0, 0};
    said();
    while (poll(&closed, 1, -1) < 0)
        ;
    close_fifo();
}

void __real_md_engine_train(struct md_engine *engine, int samples, const float *fb,
                            struct md_loss_report *report);
void __wrap_md_engine_train(struct md_engine *engine, int samples, const float *fb,
                            struct md_loss_report *report);
void __wrap_md_engine_train(struct md_engine *engine, int samples, const float *fb,
                            struct md_loss_report *report) {
    static int step;
    const char *at = getenv("MUDEPTH_HOLD_STEP");
    if (at != NULL && ++step == atoi(at))
        stay();
    __real_md_engine_train(engine, samples, fb, report);
}

void __real_md_pool_stop(struct md_pool *pool);
void __wrap_md_pool_stop(struct md_pool *pool);
void __wrap_md_pool_stop(struct md_pool *pool) {
    static int told;
    __real_md_pool_stop(pool);
    if (!told++ && open_fifo()) {
        said();
        close_fifo();
    }
}
