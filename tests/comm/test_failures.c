/*
 * How jobs end: deadlines, lone failures, the wrong launcher, too little shared memory. Every case is a job of its own:
 * this program started again, mostly by mpirun, with the name of a part below to play; the test looks at exit code and
 * words.
 */
#include "support.h"

#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "comm/launch.h"
#include "lockstep/reducer.h"

static const char *self;

/* ---- what a job said ---- */

typedef struct outcome {
    int exit_code;
    char words[16384];
} outcome;

static outcome run(const char *format, ...) LS_PRINTF(1, 2);
static outcome run(const char *format, ...) {
    char command[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    outcome o = {.exit_code = -1};
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(o.words, 1, sizeof o.words - 1, pipe);
    o.words[length] = '\0';
    int status = pclose(pipe);
    o.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return o;
}

static size_t occurrences(const char *text, const char *words) {
    size_t count = 0;
    for (const char *at = strstr(text, words); at; at = strstr(at + 1, words)) count++;
    return count;
}

static void assert_says(const outcome *o, const char *words) {
    if (!strstr(o->words, words)) fail_msg("\"%s\" is not in\n%s", words, o->words);
}

static void assert_exits(const outcome *o, int code) {
    if (o->exit_code != code) fail_msg("exit code %d, not %d:\n%s", o->exit_code, code, o->words);
}

#define MPIRUN "timeout 100 mpirun --quiet -n %d "

/* ---- the parts ---- */

static void must(ls_status status) {
    if (status == LS_OK) return;
    fprintf(stderr, "%s\n", ls_status_message(status));
    int exit_code = ls_status_exit(status);
    ls_status_free(status);
    exit(exit_code);
}

static ls_comm *join(double deadline) {
    ls_comm *comm = NULL;
    must(ls_comm_start(&(ls_comm_options){.deadline = deadline}, &comm));
    ls_comm_note(comm, "forward", 12);
    ls_comm_note_io(comm, "read train.h5 row 60000");
    return comm;
}

/* Instead of a rank's number: that of the last one. */
static const size_t last = (size_t)-1;

static int play_sleeper(size_t sleeper) {
    ls_comm *comm = join(0.6);
    if (ls_comm_rank(comm) == (sleeper == last ? ls_comm_size(comm) - 1 : sleeper)) sleep(90);
    must(ls_comm_barrier(comm));
    ls_comm_finish(comm);
    return 0;
}

/* A rank that is stopped while it waits itself looks like one that waits. */
static int play_stopped(void) {
    ls_comm *comm = join(1);
    if (ls_comm_rank(comm) == 1) {
        signal(SIGALRM, SIG_DFL);
        if (fork() == 0) { /* outlives the stop to cause it: the parent is in the barrier by then */
            usleep(200000);
            kill(getppid(), SIGSTOP);
            _exit(0);
        }
    }
    if (ls_comm_rank(comm) == 0) sleep(1);
    must(ls_comm_barrier(comm));
    must(ls_comm_barrier(comm));
    ls_comm_finish(comm);
    return 0;
}

static int play_beats(void) {
    ls_comm *comm = join(2);
    for (int i = 0; ls_comm_rank(comm) == 1 && i < 80; i++) {
        usleep(50000);
        ls_comm_beat(comm);
    }
    must(ls_comm_barrier(comm));
    ls_comm_finish(comm);
    return 0;
}

static int play_lone_failure(void) {
    ls_comm *comm = join(60);
    if (ls_comm_rank(comm) + 1 == ls_comm_size(comm))
        ls_comm_abort(comm, LS_FAIL(LS_ERR_NUMERIC, "the loss is nan in dense_2"));
    must(ls_comm_barrier(comm));
    ls_comm_finish(comm);
    return 0;
}

static ls_params *make_params(size_t count) {
    ls_params *params;
    size_t index;
    must(ls_params_create(ls_math_find("exact-scalar"), &params));
    ls_param param = {.layer = "a", .name = "weight", .shape = {1, {count}}, .groups = 1};
    must(ls_params_add(params, &param, &index));
    must(ls_params_layout(params));
    return params;
}

/* Says how many nodes a reducer of 2 M parameters leaves, after it has proved that it works. */
static int play_reducer(void) {
    ls_comm *comm = NULL;
    ls_logger *logger;
    must(ls_logger_create(&(ls_logger_options){.terminal = stderr, .output = stdout, .speaks = true}, &logger));
    must(ls_comm_start(&(ls_comm_options){.deadline = 60, .logger = logger}, &comm));
    if (!ls_comm_first(comm)) ls_comm_set_logger(comm, NULL);
    ls_params *params = make_params(2000000);
    ls_reducer *r;
    must(ls_reducer_create(comm, &(ls_reducer_options){.params = params, .batch = 8, .microbatch = 1}, &r));
    must(ls_reducer_selftest(r));
    if (ls_comm_first(comm)) printf("%zu nodes\n", ls_comm_nodes(comm));
    ls_reducer_destroy(r);
    ls_params_destroy(params);
    ls_comm_finish(comm);
    ls_logger_destroy(logger);
    return 0;
}

static int play_embedded(void) {
    int level;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
    ls_comm *comm = join(60);
    must(ls_comm_barrier(comm));
    ls_comm_finish(comm);
    int size;
    MPI_Comm_size(MPI_COMM_WORLD, &size); /* still there */
    MPI_Finalize();
    return size == 2 ? 0 : 9;
}

static int play_start(void) {
    ls_comm *comm = join(60);
    int mpi;
    MPI_Initialized(&mpi);
    printf("%zu ranks, %s MPI\n", ls_comm_size(comm), mpi ? "with" : "without");
    ls_comm_finish(comm);
    return 0;
}

static int play_places(void) {
    ls_comm *comm = join(60);
    size_t rank = ls_comm_rank(comm);
    printf("%zu on %s, node %zu of %zu\n", rank, ls_comm_host(comm, rank), ls_comm_node(comm), ls_comm_nodes(comm));
    ls_comm_finish(comm);
    return 0;
}

/* Parts that tests on several nodes play too: last, beats, places. */
static int play(const char *part) {
    if (strcmp(part, "sleeper") == 0) return play_sleeper(1);
    if (strcmp(part, "silent") == 0) return play_sleeper(0);
    if (strcmp(part, "last") == 0) return play_sleeper(last);
    if (strcmp(part, "places") == 0) return play_places();
    if (strcmp(part, "stopped") == 0) return play_stopped();
    if (strcmp(part, "beats") == 0) return play_beats();
    if (strcmp(part, "failure") == 0) return play_lone_failure();
    if (strcmp(part, "reducer") == 0) return play_reducer();
    if (strcmp(part, "embedded") == 0) return play_embedded();
    return play_start();
}

/* ---- the tests ---- */

static void a_rank_that_does_not_come_is_named(void **state) {
    (void)state;
    outcome o = run(MPIRUN "%s sleeper 2>&1", 3, self);
    assert_exits(&o, 1);
    assert_int_equal(occurrences(o.words, "lockstep: error:"), 1); /* one block, not one a rank */
    assert_says(&o, "longer than run.deadline; 1 of 3 ranks do not come:");
    assert_says(&o, "rank 1 on ");
    assert_says(&o, "forward, step 12");
    assert_says(&o, "last input/output: read train.h5 row 60000");
    assert_says(&o, "remedy:");
}

static void another_rank_speaks_where_rank_0_is_silent(void **state) {
    (void)state;
    outcome o = run(MPIRUN "%s silent 2>&1", 3, self);
    assert_exits(&o, 1);
    assert_says(&o, "lockstep: error: rank 1 on ");
    assert_says(&o, "lockstep:   rank 0 on ");
    /* It does not wait for a word of rank 0: the job ends within the deadline plus 5 s, of which mpirun takes two. */
    const char *waited = strstr(o.words, " waited ");
    assert_non_null(waited);
    assert_true(strtod(waited + strlen(" waited "), NULL) < 0.6 + 4);
}

static void a_rank_that_was_stopped_while_it_waited_is_named(void **state) {
    (void)state;
    outcome o = run(MPIRUN "%s stopped 2>&1", 3, self);
    assert_exits(&o, 1);
    assert_says(&o, "lockstep:   rank 1 on ");
}

static void signs_of_life_prolong_the_wait(void **state) {
    (void)state;
    outcome o = run(MPIRUN "%s beats 2>&1", 3, self);
    assert_exits(&o, 0);
    assert_string_equal(o.words, "");
}

static void a_lone_failure_ends_the_job_with_its_exit_code(void **state) {
    (void)state;
    outcome o = run(MPIRUN "%s failure 2>&1", 3, self);
    assert_exits(&o, 3);
    assert_int_equal(occurrences(o.words, "lockstep: error:"), 1);
    assert_says(&o, "lockstep: error: rank 2 on ");
    assert_says(&o, "forward, step 12: the loss is nan in dense_2");
    assert_says(&o, "last input/output: read train.h5 row 60000");
    o = run("%s failure 2>&1", self);
    assert_exits(&o, 3);
    assert_says(&o, "the loss is nan in dense_2");
}

static void one_rank_never_touches_mpi(void **state) {
    (void)state;
    outcome o = run("%s start 2>&1", self);
    assert_exits(&o, 0);
    assert_string_equal(o.words, "1 ranks, without MPI\n");
}

static void the_launcher_of_another_mpi_is_refused_once(void **state) {
    (void)state;
    outcome o = run("PMI_SIZE=4 PMI_RANK=0 %s start 2>&1", self);
    assert_exits(&o, 64);
    assert_says(&o, "started by the mpiexec of another MPI as 4 ranks");
    assert_says(&o, "Open MPI");
    o = run("PMI_SIZE=4 PMI_RANK=2 %s start 2>&1", self);
    assert_exits(&o, 64);
    assert_null(strstr(o.words, "started by"));
}

static void a_program_that_runs_mpi_keeps_it(void **state) {
    (void)state;
    outcome o = run(MPIRUN "%s embedded 2>&1", 2, self);
    assert_exits(&o, 0);
}

static void unused_infiniband_is_noticed(void **state) {
    (void)state;
    char *folder = support_make_folder();
    assert_null(ls__launch_advice(folder));
    assert_null(ls__launch_advice(support_path(folder, "none")));
    FILE *device = fopen(support_path(folder, "mlx5_0"), "w");
    assert_non_null(device);
    fclose(device);
    assert_non_null(strstr(ls__launch_advice(folder), "--mca pml ucx"));
    setenv("OMPI_MCA_pml", "ucx", 1);
    assert_null(ls__launch_advice(folder));
    unsetenv("OMPI_MCA_pml");
    support_remove_folder(folder);
}

static void too_little_shared_memory_makes_every_rank_a_node(void **state) {
    (void)state;
    outcome o = run("unshare --mount true 2>&1");
    if (o.exit_code != 0) {
        print_message("skipped: no right to mount a small /dev/shm\n");
        skip();
    }
    /* Room for lines of ranks and for MPI's own segments, but not for 24 MB of gradients. */
    o = run("unshare --mount sh -c 'mount -t tmpfs -o size=20m tmpfs /dev/shm && " MPIRUN "%s reducer' 2>&1", 2, self);
    assert_exits(&o, 0);
    assert_int_equal(occurrences(o.words, "every rank runs as a node of its own"), 1);
    assert_says(&o, "/dev/shm has");
    assert_says(&o, "2 nodes");
    o = run(MPIRUN "%s reducer 2>&1", 2, self);
    assert_exits(&o, 0);
    assert_string_equal(o.words, "1 nodes\n");
}

static void no_shared_memory_at_all_is_survived(void **state) {
    (void)state;
    outcome o = run("unshare --mount true 2>&1");
    if (o.exit_code != 0) skip();
    o = run("unshare --mount sh -c 'mount -t tmpfs -o size=4k,nr_inodes=1 tmpfs /dev/shm && " MPIRUN
            "--mca btl tcp,self %s reducer' 2>&1",
            2, self);
    assert_exits(&o, 0);
    assert_says(&o, "every rank runs as a node of its own");
    assert_says(&o, "2 nodes");
}

int main(int argc, char **argv) {
    self = argv[0];
    if (argc > 1) return play(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rank_that_does_not_come_is_named),
        cmocka_unit_test(another_rank_speaks_where_rank_0_is_silent),
        cmocka_unit_test(a_rank_that_was_stopped_while_it_waited_is_named),
        cmocka_unit_test(signs_of_life_prolong_the_wait),
        cmocka_unit_test(a_lone_failure_ends_the_job_with_its_exit_code),
        cmocka_unit_test(one_rank_never_touches_mpi),
        cmocka_unit_test(the_launcher_of_another_mpi_is_refused_once),
        cmocka_unit_test(a_program_that_runs_mpi_keeps_it),
        cmocka_unit_test(unused_infiniband_is_noticed),
        cmocka_unit_test(too_little_shared_memory_makes_every_rank_a_node),
        cmocka_unit_test(no_shared_memory_at_all_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
