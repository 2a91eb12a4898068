// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, for TORTURE_SECONDS: many threads, and processes that are
 * killed, export, name, map, attach, send, pin and close buffers while others
 * read every file that shows them. What must hold at any time is checked all
 * the time; now and then all threads stop, and what must hold at rest is
 * compared with what each of them has. DMABUF_STATS_SEED is the random seed,
 * TORTURE_BURST the length of an occasional burst of exports. TORTURE_ALONE
 * says that nothing else exports, so all exports counted must be the test's.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include "kselftest.h"
#include "common.h"

#define WORKERS		8
#define READERS		3
#define SLOTS		16
#define KEEPERS		50
#define SLOW		120	/* seconds */

enum op {
	EXPORT_SYSTEM, EXPORT_UDMABUF, EXPORT_VGEM, RENAME, MAP, SYNC, POLL,
	ATTACH, SEND, DUP, HOLD, CLOSE, OWN_ROW, FDINFO, KILL, LISTING, PAUSE,
	CUT, READER_CLOSE, SEEK, PREAD, SHARED, RESET, BUFINFO_READ, MOMENT, REST, NR_OPS
};

static const char * const op_names[NR_OPS] = {
	"export_by_system", "export_by_udmabuf", "export_by_vgem", "rename",
	"map", "sync", "poll", "attach", "send", "dup", "hold_by_path", "close",
	"own_row", "fdinfo", "kill_exporter", "listing", "pause_in_listing",
	"cut_listing", "close_by_reader", "seek", "pread",
	"read_by_two_processes", "reset_peak", "bufinfo", "moment", "rest",
};

/* Shared by all processes. Exports are counted at their begin and end. */
struct shared {
	unsigned long done[NR_OPS];
	unsigned long begun, exported;
};

static struct shared *shared;
static const char *failure;
static bool stopped;
static unsigned int burst = 16;

/* Held for reading in each step of a worker, for writing to stop them all */
static pthread_rwlock_t world;
/* Excludes resets while bytes and the peak are compared */
static pthread_mutex_t peak_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned long long keepers[KEEPERS];
/* Buffers of readers, changed with world held for reading */
static unsigned int readers_own;

static void count(enum op op)
{
	__atomic_fetch_add(&shared->done[op], 1, __ATOMIC_RELAXED);
}

static bool stopping(void)
{
	return __atomic_load_n(&stopped, __ATOMIC_RELAXED);
}

/* The first failure ends the test */
static void fail(const char *what)
{
	if (!__atomic_exchange_n(&failure, what, __ATOMIC_RELAXED))
		ksft_print_msg("%s (errno %d)\n", what, errno);
	__atomic_store_n(&stopped, true, __ATOMIC_RELAXED);
}

/* Each thread has its own seed */
#define KILLER	(WORKERS + READERS)
#define SEEKER	(KILLER + 1)

static unsigned int seed_of(unsigned int thread)
{
	return seed() * (SEEKER + 1) + thread;
}

/* Each worker has slots, and each slot in use is one buffer */
struct slot {
	bool used;
	size_t size;
	int fd, held, sock[2];
	void *map;
	unsigned int handle;
	unsigned long long ino;
};

struct worker {
	pthread_t thread;
	unsigned int seed;
	int drm;
	struct slot slots[SLOTS];
};

static struct worker workers[WORKERS];

static int export(unsigned int *seed, size_t size)
{
	enum exporter exporter = some_exporter(rand_r(seed));
	int fd;

	__atomic_fetch_add(&shared->begun, 1, __ATOMIC_SEQ_CST);
	fd = buffer_new(exporter, size);
	if (fd >= 0) {
		__atomic_fetch_add(&shared->exported, 1, __ATOMIC_SEQ_CST);
		count(EXPORT_SYSTEM + exporter);
	} else {
		__atomic_fetch_sub(&shared->begun, 1, __ATOMIC_SEQ_CST);
	}
	return fd;
}

/* NAME has room for the longest name; all bytes but NUL are equally likely */
static void random_name(unsigned int *seed, char *name)
{
	int len = rand_r(seed) % (NAME_MAX_LEN + 1), i;

	for (i = 0; i < len; i++)
		name[i] = rand_r(seed) % 255 + 1;
	name[len] = '\0';
}

static void slot_free(struct worker *worker, struct slot *slot)
{
	if (slot->map)
		munmap(slot->map, PAGE);
	if (slot->handle)
		drm_close_handle(worker->drm, slot->handle);
	if (slot->sock[0] >= 0) {
		close(slot->sock[0]);
		close(slot->sock[1]);
	}
	if (slot->held >= 0)
		close(slot->held);
	if (slot->fd >= 0)
		close(slot->fd);
	slot->used = false;
	count(CLOSE);
}

static void slot_fill(struct worker *worker, struct slot *slot)
{
	unsigned int i;

	*slot = (struct slot) {
		.size = (rand_r(&worker->seed) % 4 + 1) * PAGE,
		.held = -1,
		.sock = { -1, -1 },
	};
	/* Most of them are closed at once */
	for (i = rand_r(&worker->seed) % 4 ? burst : 0; i < burst; i++)
		close(export(&worker->seed, slot->size));
	slot->fd = export(&worker->seed, slot->size);
	if (slot->fd < 0) {
		fail("export failed");
		return;
	}
	slot->used = true;
	slot->ino = buffer_ino(slot->fd);
}

static void own_row(struct slot *slot)
{
	unsigned int attached = !!slot->handle;
	struct row row;

	if (!row_of(slot->fd, &row))
		fail("own buffer missing from the list");
	else if (row.ino != slot->ino || row.size != slot->size)
		fail("own buffer listed with wrong data");
	else if (row.pid != getpid())
		fail("an own buffer is listed as somebody else's");
	else if (!row.refs)
		fail("an open buffer is listed as closed");
	else if (row.attached > attached)
		fail("an own buffer has more attachments than were made");
	count(OWN_ROW);
}

static void read_fdinfo(struct slot *slot)
{
	if (fdinfo_ino(slot->fd) != slot->ino)
		fail("fdinfo is of another buffer");
	count(FDINFO);
}

static void sync_buffer(int fd)
{
	struct dma_buf_sync sync = {
		.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW,
	};

	if (ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync))
		fail("sync failed");
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	if (ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync))
		fail("end of sync failed");
	count(SYNC);
}

/* In flight without a descriptor; some are never received */
static void send_or_receive(struct slot *slot)
{
	if (slot->sock[0] < 0) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			       slot->sock) ||
		    send_fd(slot->sock[0], slot->fd)) {
			fail("not sent");
			return;
		}
		close(slot->fd);
		slot->fd = -1;
		count(SEND);
		return;
	}
	slot->fd = receive_fd(slot->sock[1]);
	if (slot->fd < 0)
		fail("receive failed");
	close(slot->sock[0]);
	close(slot->sock[1]);
	slot->sock[0] = -1;
}

static void map_or_unmap(struct slot *slot)
{
	if (slot->map) {
		munmap(slot->map, PAGE);
		slot->map = NULL;
		return;
	}
	slot->map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 slot->fd, 0);
	if (slot->map == MAP_FAILED) {
		slot->map = NULL;
		fail("not mapped");
		return;
	}
	*(char *)slot->map = 1;
	count(MAP);
}

static void attach_or_detach(struct worker *worker, struct slot *slot)
{
	if (worker->drm < 0)
		return;
	if (slot->handle) {
		drm_close_handle(worker->drm, slot->handle);
		slot->handle = 0;
	} else if (drm_import(worker->drm, slot->fd, &slot->handle)) {
		fail("import failed");
	} else {
		count(ATTACH);
	}
}

static void step_open(struct worker *worker, struct slot *slot)
{
	struct pollfd pollfd = { .fd = slot->fd, .events = POLLIN | POLLOUT };
	char name[NAME_MAX_LEN + 1];
	int fd;

	switch (rand_r(&worker->seed) % 24) {
	case 0 ... 2:
		random_name(&worker->seed, name);
		if (!buffer_set_name(slot->fd, name))
			fail("not named");
		count(RENAME);
		break;
	case 3 ... 4:
		map_or_unmap(slot);
		break;
	case 5:
		sync_buffer(slot->fd);
		break;
	case 6:
		if (poll(&pollfd, 1, 0) < 0)
			fail("not polled");
		count(POLL);
		break;
	case 7 ... 8:
		attach_or_detach(worker, slot);
		break;
	case 9:
		send_or_receive(slot);
		break;
	case 10:
		fd = dup(slot->fd);
		close(slot->fd);
		slot->fd = fd;
		if (fd < 0)
			fail("no duplicate");
		count(DUP);
		break;
	case 11 ... 12:
		/* Closed from now on, unless mapped or attached */
		slot->held = open_path_only(slot->fd);
		close(slot->fd);
		slot->fd = -1;
		if (slot->held < 0)
			fail("not held by O_PATH");
		count(HOLD);
		break;
	case 13:
		own_row(slot);
		break;
	case 14:
		read_fdinfo(slot);
		break;
	default:
		slot_free(worker, slot);
	}
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct slot *slot;
	int i;

	while (!stopping()) {
		pthread_rwlock_rdlock(&world);
		slot = &worker->slots[rand_r(&worker->seed) % SLOTS];
		if (!slot->used)
			slot_fill(worker, slot);
		else if (slot->fd >= 0)
			step_open(worker, slot);
		else if (slot->sock[0] >= 0 && rand_r(&worker->seed) % 2)
			send_or_receive(slot);
		else
			slot_free(worker, slot);
		pthread_rwlock_unlock(&world);
	}
	for (i = 0; i < SLOTS; i++)
		if (worker->slots[i].used)
			slot_free(worker, &worker->slots[i]);
	return NULL;
}

/* Holds buffers in every way, and is killed at any point */
static void doomed(unsigned int seed)
{
	int fd, sock[2];

	devices_reopen();
	while (1) {
		fd = export(&seed, PAGE);
		switch (rand_r(&seed) % 5) {
		case 0:
			open_path_only(fd);
			close(fd);
			break;
		case 1:
			mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
			break;
		case 2:
			/* A socket in itself, left to the garbage collector */
			if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
				break;
			send_fd(sock[0], fd);
			send_fd(sock[0], sock[1]);
			close(sock[0]);
			close(sock[1]);
			close(fd);
			break;
		case 3:
			buffer_set_name(fd, "doomed");
			break;
		default:
			close(fd);
		}
	}
}

static void *killer_main(void *arg)
{
	unsigned int seed = seed_of(KILLER);
	pid_t pid;

	while (!stopping()) {
		pthread_rwlock_rdlock(&world);
		pid = fork();
		if (!pid)
			doomed(rand_r(&seed));
		usleep(rand_r(&seed) % 20000);
		if (pid < 0 || kill(pid, SIGKILL) ||
		    waitpid(pid, NULL, 0) != pid)
			fail("no child to kill");
		count(KILL);
		pthread_rwlock_unlock(&world);
		usleep(rand_r(&seed) % 50000);
	}
	return arg;
}

static bool read_some(int fd, size_t chunk, struct text *text)
{
	ssize_t got = text_append(fd, chunk, text);

	if (got < 0)
		fail("cannot read the list");
	return got > 0;
}

/* Readers, too, close buffers that they list */
static int reader_export(unsigned int *seed)
{
	int fd;

	pthread_rwlock_rdlock(&world);
	fd = export(seed, PAGE);
	if (fd < 0)
		fail("a reader cannot export");
	else
		__atomic_fetch_add(&readers_own, 1, __ATOMIC_RELAXED);
	pthread_rwlock_unlock(&world);
	return fd;
}

static int reader_close(int fd)
{
	if (fd < 0)
		return fd;
	pthread_rwlock_rdlock(&world);
	close(fd);
	__atomic_fetch_sub(&readers_own, 1, __ATOMIC_RELAXED);
	pthread_rwlock_unlock(&world);
	count(READER_CLOSE);
	return -1;
}

/* No buffer that exists now has a higher number */
static unsigned long long newest_number(void)
{
	unsigned long long newest = ~0ULL;

	if (peak_there())
		counter_read("nr_exported", &newest);
	return newest;
}

static void *reader_main(void *arg)
{
	static const size_t chunks[] = { 1, 7, 64, 300, 4096, 65536 };
	unsigned int seed = (unsigned long)arg;
	unsigned long long newest;
	struct text text;
	const char *fault;
	int fd, own = -1;
	size_t chunk;
	bool cut;

	while (!stopping()) {
		own = reader_export(&seed);
		chunk = chunks[rand_r(&seed) % ARRAY_LEN(chunks)];
		fd = open(rand_r(&seed) % 2 && !access(LIST_DEBUG, F_OK) ?
			  LIST_DEBUG : LIST_PROC, O_RDONLY | O_CLOEXEC);
		memset(&text, 0, sizeof(text));
		if (fd < 0 || !read_some(fd, chunk, &text)) {
			fail("cannot open the list");
			break;
		}
		newest = newest_number();
		cut = false;
		while (!cut && read_some(fd, chunk, &text)) {
			if (rand_r(&seed) % (1 + 40000 / chunk) == 0) {
				own = reader_close(own);
				usleep(rand_r(&seed) % 10000);
				count(PAUSE);
			}
			cut = rand_r(&seed) % (1 + 200000 / chunk) == 0;
		}
		fault = cut ? NULL :
			keepers_fault(&text, keepers, KEEPERS, newest);
		if (fault)
			fail(fault);
		count(cut ? CUT : LISTING);
		own = reader_close(own);
		close(fd);
		text_free(&text);
	}
	return NULL;
}

/* One open file used by all; only its beginning is known at any time */
static void *seeker_main(void *arg)
{
	static const char head[] = LIST_HEAD_1 LIST_HEAD_2;
	unsigned int seed = seed_of(SEEKER);
	char buf[4096];
	pid_t pid;
	int fd;

	fd = open(LIST_PROC, O_RDONLY | O_CLOEXEC);
	while (!stopping()) {
		switch (rand_r(&seed) % 8) {
		case 0 ... 2:
			if (lseek(fd, rand_r(&seed) % 20000, SEEK_SET) < 0 ||
			    read(fd, buf, 1 + rand_r(&seed) % 4096) < 0)
				fail("no read after a seek");
			count(SEEK);
			break;
		case 3 ... 5:
			if (pread(fd, buf, 1 + rand_r(&seed) % 4096,
				  rand_r(&seed) % 20000) < 0)
				fail("no pread");
			count(PREAD);
			break;
		case 6:
			if (pread(fd, buf, sizeof(buf), 0) <
			    (ssize_t)strlen(head) ||
			    memcmp(buf, head, strlen(head)))
				fail("no beginning at offset 0");
			break;
		default:
			if (rand_r(&seed) % 10)
				break;
			/* The child inherits all descriptors of the workers */
			pthread_rwlock_rdlock(&world);
			pid = fork();
			if (!pid) {
				while (read(fd, buf, 500) > 0)
					;
				_exit(0);
			}
			while (read(fd, buf, 300) > 0)
				;
			waitpid(pid, NULL, 0);
			pthread_rwlock_unlock(&world);
			count(SHARED);
		}
	}
	close(fd);
	return arg;
}

/* bufinfo takes references, so it has to stop as well */
static void *bufinfo_main(void *arg)
{
	struct text text;

	while (!stopping()) {
		pthread_rwlock_rdlock(&world);
		if (!text_read_path(BUFINFO, &text))
			fail("cannot read bufinfo");
		else if (!strstr(text.s, "\tkeeper\n"))
			fail("bufinfo lacks an open buffer");
		else
			text_free(&text);
		pthread_rwlock_unlock(&world);
		count(BUFINFO_READ);
		usleep(3000);
	}
	return arg;
}

static void *resetter_main(void *arg)
{
	while (!stopping() && peak_there()) {
		pthread_mutex_lock(&peak_lock);
		if (peak_write("0\n", 2) != 2)
			fail("cannot reset the peak");
		pthread_mutex_unlock(&peak_lock);
		count(RESET);
		usleep(5000);
	}
	return arg;
}

/* What must hold at any time, given the order of the reads */
static void moment(void)
{
	static unsigned long long last, last_bytes;
	unsigned long long nr, bytes, peak = 0, exported = 0, exported_bytes = 0;
	bool with_peak = peak_there(), ok;

	ok = counter_read("nr_buffers", &nr);
	if (with_peak)
		ok &= counter_read("nr_exported", &exported);
	pthread_mutex_lock(&peak_lock);
	ok &= counter_read("bytes", &bytes);
	if (with_peak)
		ok &= counter_read("peak_bytes", &peak);
	pthread_mutex_unlock(&peak_lock);
	if (with_peak)
		ok &= counter_read("bytes_exported", &exported_bytes);
	count(MOMENT);
	if (!ok)
		fail("cannot read a counter");
	else if (nr < KEEPERS || bytes < KEEPERS * PAGE)
		fail("fewer buffers than there are");
	if (!ok || !with_peak)
		return;

	if (nr > exported)
		fail("more buffers than were exported");
	else if (bytes > peak)
		fail("more bytes than their peak");
	else if (peak > exported_bytes)
		fail("a peak of more bytes than were exported");
	else if (exported < last || exported_bytes < last_bytes)
		fail("a sum of what was ever exported has fallen");
	last = exported;
	last_bytes = exported_bytes;
}

/* With all threads stopped, list and counters must match the slots */
static void all_rest(void)
{
	unsigned long long bytes;
	size_t nr;
	int i, j;

	pthread_rwlock_wrlock(&world);
	nr = KEEPERS + readers_own;
	bytes = nr * PAGE;
	for (i = 0; i < WORKERS; i++) {
		for (j = 0; j < SLOTS; j++) {
			if (!workers[i].slots[j].used)
				continue;
			nr++;
			bytes += workers[i].slots[j].size;
		}
	}
	if (!exact(nr, bytes))
		fail("not exact at rest");
	pthread_rwlock_unlock(&world);
	count(REST);
}

/* A kernel worker may still hold buffers of killed processes */
static bool settled(void)
{
	struct list list;
	size_t j, left = 0;
	char comm[16];
	int i, sock[2];

	/* Children share the name; buffers of other tasks may come and go */
	prctl(PR_GET_NAME, comm);
	for (i = 0; i < 100; i++) {
		if (!list_read(&list))
			return false;
		for (j = 0, left = 0; j < list.nr; j++)
			left += !strcmp(list.rows[j].comm, comm);
		list_free(&list);
		if (!left)
			return true;
		/* Start the garbage collector of sockets */
		if (!socketpair(AF_UNIX, SOCK_STREAM, 0, sock)) {
			close(sock[0]);
			close(sock[1]);
		}
		usleep(100000);
	}
	ksft_print_msg("%zu buffers are left\n", left);
	return false;
}

static bool possible(enum op op)
{
	if (op <= EXPORT_VGEM)
		return exporter_there(op - EXPORT_SYSTEM);
	if (op == BUFINFO_READ)
		return !access(BUFINFO, F_OK);
	if (op == ATTACH)
		return workers[0].drm >= 0;
	if (op == RESET)
		return peak_there();
	return true;
}

static bool some_of_each(void)
{
	int i;

	for (i = 0; i < NR_OPS; i++)
		if (!shared->done[i] && possible(i))
			return false;
	return true;
}

static void start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	if (pthread_create(thread, NULL, run, arg))
		ksft_exit_fail_msg("no thread\n");
}

static void torture(double seconds)
{
	pthread_t others[READERS + 4];
	double end = now() + seconds;
	int i;

	for (i = 0; i < WORKERS; i++) {
		workers[i].seed = seed_of(i);
		workers[i].drm = drm_open("vkms");
		start(&workers[i].thread, worker_main, &workers[i]);
	}
	for (i = 0; i < READERS; i++)
		start(&others[i], reader_main,
		      (void *)(long)seed_of(WORKERS + i));
	start(&others[i++], seeker_main, NULL);
	start(&others[i++], resetter_main, NULL);
	start(&others[i++], killer_main, NULL);
	if (!access(BUFINFO, F_OK))
		start(&others[i++], bufinfo_main, NULL);

	/* A slow machine gets time to do each operation at least once */
	while (!stopping() &&
	       (now() < end || (now() < end + SLOW && !some_of_each()))) {
		moment();
		if (shared->done[MOMENT] % 20 == 0)
			all_rest();
		usleep(5000);
	}
	__atomic_store_n(&stopped, true, __ATOMIC_RELAXED);
	while (i--)
		pthread_join(others[i], NULL);
	for (i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		close(workers[i].drm);
	}
}

int main(void)
{
	const char *seconds = getenv("TORTURE_SECONDS");
	const char *exports = getenv("TORTURE_BURST");
	struct counters before, after;
	pthread_rwlockattr_t attr;
	int fds[KEEPERS], parked, i;
	unsigned long long newest, exported;
	struct text text = { 0 };
	bool alone = getenv("TORTURE_ALONE"), ok;

	ksft_print_header();
	ksft_set_plan(NR_OPS + 3);
	if (exports)
		burst = strtoul(exports, NULL, 10);
	for (i = 0; i < NR_EXPORTERS; i++)
		exporter_there(i);	/* opens it before threads start */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr,
				      PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&world, &attr);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || !counters_read(&before))
		ksft_exit_fail_msg("cannot begin\n");

	for (i = 0; i < KEEPERS; i++) {
		unsigned int seed = seed_of(i);

		fds[i] = export(&seed, PAGE);
		if (fds[i] < 0 || !buffer_set_name(fds[i], "keeper"))
			ksft_exit_fail_msg("cannot export\n");
		keepers[i] = buffer_ino(fds[i]);
	}
	/* Paused in its listing all the time */
	parked = open(LIST_PROC, O_RDONLY | O_CLOEXEC);
	read_some(parked, 200, &text);
	newest = newest_number();

	torture(seconds ? atof(seconds) : 5);

	while (read_some(parked, 4096, &text))
		;
	ksft_test_result(!keepers_fault(&text, keepers, KEEPERS, newest),
			 "parked_reader\n");
	close(parked);
	for (i = 0; i < KEEPERS; i++)
		close(fds[i]);

	ksft_test_result(!failure, "at_any_moment\n");
	ok = settled() && exact(0, 0) && counters_read(&after);
	exported = after.nr_exported - before.nr_exported;
	if (ok && peak_there())
		ok = exported >= shared->exported &&
		     (!alone || exported <= shared->begun);
	ksft_test_result(ok, "exact_in_the_end\n");
	ksft_print_msg("%lu exports in all\n", shared->exported);
	for (i = 0; i < NR_OPS; i++) {
		ksft_print_msg("%lu times: %s\n", shared->done[i], op_names[i]);
		if (possible(i))
			ksft_test_result(shared->done[i], "some_%s\n",
					 op_names[i]);
		else
			ksft_test_result_skip("some_%s: absent here\n",
					      op_names[i]);
	}
	ksft_finished();
}
