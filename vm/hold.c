// SPDX-License-Identifier: GPL-2.0
/*
 * Exports dma-bufs through a real exporter and holds them, for scripts and
 * interactive use in the virtual machine.
 *
 *   hold [-c COMM] [-n NAME] [-i] [-s] EXPORTER SIZE [COUNT [ACTION...]]
 *	makes COUNT buffers, says so, and holds them until it is killed; on
 *	SIGUSR1 it closes them but keeps an O_PATH descriptor of each
 *
 * EXPORTER: heap (the system heap), udmabuf (over a memfd) or vgem (a DRM
 * device, by PRIME).  -i imports each buffer into vkms, a second DRM device; -s
 * makes all udmabufs over one memfd, so that a million of them fit.  With
 * "receive PATH COUNT" they come from other processes over a socket.
 *
 * Actions happen before it says so, in order and to all buffers:
 *   close N    closes the descriptors of the first N
 *   dup N      makes N more descriptors of the first
 *   exit       ends
 *   export N   exports the first N times more, by PRIME
 *   eventfd N, memfd N, pipe N, sync N
 *              opens N files that are no dma-bufs; sync files are of the first,
 *              pipes are filled with 1 MiB
 *   fill N     makes more with at most N descriptors, and 100 times in vain
 *   forget     drops the GEM handles of the exporter
 *   fork       leaves a child that inherits all
 *   grow MS    says that they are made, and makes one more of the heap each MS ms,
 *              until it is killed
 *   import N   imports with N files of vkms
 *   map        maps each
 *   mapgem     maps the memory of each by the exporter's DRM device
 *   path       closes each, but keeps an O_PATH descriptor
 *   post       sends each in a message that is not received, and closes it
 *   send PATH  sends each to the receiver there
 *   stop       says that they are made, and waits for SIGUSR1
 *   unimport N closes N files of vkms
 *   churn      makes and closes more, in children that end, until it is killed
 */
#define _GNU_SOURCE
#include <drm/drm.h>
#include <err.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_BUFFERS 1048576
#define MAX_IMPORTS 64
#define MAX_SENT 128		/* in one message; the kernel's limit is 253 */

struct buffer {
	int fd;
	__u32 exported;		/* GEM handles, if there are any */
	__u32 imported;
};

static int vgem = -1, vkms = -1;
static bool shared;
static int imports[MAX_IMPORTS], nr_imports;

static int open_or_die(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* Finds the DRM device of this driver; card numbers are not fixed. */
static int open_drm(const char *driver)
{
	char path[32], name[32] = "";
	struct drm_version v = { .name = name, .name_len = sizeof(name) - 1 };
	int fd, i;

	for (i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		memset(name, 0, sizeof(name));
		v.name_len = sizeof(name) - 1;
		if (!ioctl(fd, DRM_IOCTL_VERSION, &v) && !strcmp(name, driver))
			return fd;
		close(fd);
	}
	errx(1, "no DRM device of %s; for vgem: insmod /modules/vgem.ko",
	     driver);
}

static int heap_fd(size_t size)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	static int heap = -1;

	if (heap < 0)
		heap = open_or_die("/dev/dma_heap/system");
	return ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -1 : (int)data.fd;
}

static void make_heap(struct buffer *b, size_t size)
{
	b->fd = heap_fd(size);
	if (b->fd < 0)
		err(1, "DMA_HEAP_IOCTL_ALLOC");
}

static void make_udmabuf(struct buffer *b, size_t size)
{
	struct udmabuf_create create = {
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size,
	};
	static int udmabuf = -1, memfd = -1;

	if (udmabuf < 0)
		udmabuf = open_or_die("/dev/udmabuf");
	if (memfd < 0) {
		memfd = memfd_create("hold", MFD_ALLOW_SEALING | MFD_CLOEXEC);
		if (memfd < 0)
			err(1, "memfd_create");
		if (ftruncate(memfd, size) ||
		    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
			err(1, "memfd");
	}
	create.memfd = memfd;
	b->fd = ioctl(udmabuf, UDMABUF_CREATE, &create);
	if (b->fd < 0)
		err(1, "UDMABUF_CREATE");
	if (!shared) {
		close(memfd);
		memfd = -1;
	}
}

static void make_vgem(struct buffer *b, size_t size)
{
	struct drm_mode_create_dumb dumb = { .height = 1, .bpp = 8 };
	struct drm_prime_handle prime = { .flags = DRM_RDWR | DRM_CLOEXEC };

	if (vgem < 0)
		vgem = open_drm("vgem");
	dumb.width = size;
	if (ioctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb))
		err(1, "DRM_IOCTL_MODE_CREATE_DUMB");
	prime.handle = dumb.handle;
	if (ioctl(vgem, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime))
		err(1, "DRM_IOCTL_PRIME_HANDLE_TO_FD");
	b->fd = prime.fd;
	b->exported = dumb.handle;
}

static void import(struct buffer *b)
{
	struct drm_prime_handle prime = { .fd = b->fd };

	if (vkms < 0)
		vkms = open_drm("vkms");
	if (ioctl(vkms, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime))
		err(1, "DRM_IOCTL_PRIME_FD_TO_HANDLE");
	b->imported = prime.handle;
}

static void close_handle(int drm, __u32 handle)
{
	struct drm_gem_close arg = { .handle = handle };

	if (handle && ioctl(drm, DRM_IOCTL_GEM_CLOSE, &arg))
		err(1, "DRM_IOCTL_GEM_CLOSE");
}

static void release(struct buffer *b)
{
	close_handle(vkms, b->imported);
	close_handle(vgem, b->exported);
	close(b->fd);
	memset(b, 0, sizeof(*b));
}

/* Closes the buffer but keeps an O_PATH descriptor of it. */
static void demote(struct buffer *b)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", b->fd);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	release(b);
	b->fd = fd;
}

static void address(struct sockaddr_un *sun, const char *path)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	snprintf(sun->sun_path, sizeof(sun->sun_path), "%s", path);
}

/* One message of at most MAX_SENT descriptors */
struct message {
	struct msghdr msg;
	struct iovec iov;
	char byte;
	char control[CMSG_SPACE(MAX_SENT * sizeof(int))];
};

static void message(struct message *m, int nr)
{
	memset(m, 0, sizeof(*m));
	m->iov.iov_base = &m->byte;
	m->iov.iov_len = 1;
	m->msg.msg_iov = &m->iov;
	m->msg.msg_iovlen = 1;
	m->msg.msg_control = m->control;
	m->msg.msg_controllen = CMSG_SPACE(nr * sizeof(int));
}

static void send_all(int sock, struct buffer *b, int n)
{
	struct message m;
	struct cmsghdr *c;
	int i, nr;

	for (; n; b += nr, n -= nr) {
		nr = n < MAX_SENT ? n : MAX_SENT;
		message(&m, nr);
		c = CMSG_FIRSTHDR(&m.msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr * sizeof(int));
		for (i = 0; i < nr; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &b[i].fd,
			       sizeof(int));
		if (sendmsg(sock, &m.msg, 0) != 1)
			err(1, "sendmsg");
	}
}

static void send_to(const char *path, struct buffer *b, int n)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), i;
	struct sockaddr_un sun;

	address(&sun, path);
	/* the receiver may not be there yet */
	for (i = 0; connect(sock, (struct sockaddr *)&sun, sizeof(sun)); i++) {
		if (i == 500)
			err(1, "%s", path);
		poll(NULL, 0, 10);
	}
	send_all(sock, b, n);
	close(sock);
}

static void post(struct buffer *b, int n)
{
	int sock[2], i;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		err(1, "socketpair");
	send_all(sock[0], b, n);
	for (i = 0; i < n; i++)
		release(&b[i]);
}

static void receive(const char *path, struct buffer *b, int n)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), from, i, nr;
	struct sockaddr_un sun;
	struct message m;
	struct cmsghdr *c;

	address(&sun, path);
	if (bind(sock, (struct sockaddr *)&sun, sizeof(sun)) ||
	    listen(sock, 1024))
		err(1, "%s", path);
	while (n) {
		from = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
		for (;;) {
			message(&m, MAX_SENT);
			if (recvmsg(from, &m.msg, MSG_CMSG_CLOEXEC) != 1)
				break;
			c = CMSG_FIRSTHDR(&m.msg);
			if (!c)
				errx(1, "a message without descriptors");
			nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			if (nr > n)
				errx(1, "more descriptors than expected");
			for (i = 0; i < nr; i++)
				memcpy(&b[i].fd, CMSG_DATA(c) +
				       i * sizeof(int), sizeof(int));
			b += nr;
			n -= nr;
		}
		close(from);
	}
	close(sock);
	unlink(path);
}

/* In children that end at once, so that processes and buffers vanish */
static void churn(size_t size)
{
	int i;

	for (;;) {
		if (!fork()) {
			for (i = 0; i < 50; i++)
				if (i % 10)
					close(heap_fd(size));
				else
					heap_fd(size);
			_exit(0);
		}
		wait(NULL);
	}
}

static void grow(size_t size, int ms)
{
	for (;;) {
		poll(NULL, 0, ms);
		if (heap_fd(size) < 0)
			err(1, "DMA_HEAP_IOCTL_ALLOC");
	}
}

static void fill(size_t size, int limit)
{
	struct rlimit r = { limit, limit };
	int i, made = 0;

	if (setrlimit(RLIMIT_NOFILE, &r))
		err(1, "setrlimit");
	for (i = 0; i < 100; ) {
		if (heap_fd(size) < 0)
			i++;
		else
			made++;
	}
	printf("%d filled\n", made);
}

static void import_files(struct buffer *b, int n, int files)
{
	int i;

	while (files--) {
		if (nr_imports == MAX_IMPORTS)
			errx(1, "too many imports");
		imports[nr_imports] = open_drm("vkms");
		for (i = 0; i < n; i++) {
			struct drm_prime_handle prime = { .fd = b[i].fd };

			if (ioctl(imports[nr_imports],
				  DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime))
				err(1, "DRM_IOCTL_PRIME_FD_TO_HANDLE");
		}
		nr_imports++;
	}
}

static int filled_pipe(void)
{
	static const char data[1 << 20];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) ||
	    fcntl(ends[1], F_SETPIPE_SZ, sizeof(data)) < 0 ||
	    write(ends[1], data, sizeof(data)) != sizeof(data))
		return -1;
	return ends[0];
}

/* A descriptor of another kind, made of the first buffer if it has to do with it */
static int other(const char *kind, struct buffer *b)
{
	struct dma_buf_export_sync_file sync = { .flags = DMA_BUF_SYNC_READ };
	struct drm_prime_handle prime = {
		.handle = b->exported, .flags = DRM_RDWR | DRM_CLOEXEC
	};
	int fd;

	if (!strcmp(kind, "eventfd"))
		return eventfd(0, EFD_CLOEXEC);
	if (!strcmp(kind, "dup"))
		return dup(b->fd);
	if (!strcmp(kind, "memfd")) {
		fd = memfd_create("dmabuf:", MFD_CLOEXEC);
		return ftruncate(fd, 65536) ? -1 : fd;
	}
	if (!strcmp(kind, "pipe"))
		return filled_pipe();
	if (!strcmp(kind, "sync"))
		return ioctl(b->fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &sync) ?
		       -1 : sync.fd;
	return ioctl(vgem, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) ? -1 : prime.fd;
}

static void map(int fd, off_t offset, size_t size)
{
	if (mmap(NULL, size, PROT_READ, MAP_SHARED, fd, offset) == MAP_FAILED)
		err(1, "mmap");
}

static void map_gem(__u32 handle, size_t size)
{
	struct drm_mode_map_dumb arg = { .handle = handle };

	if (ioctl(vgem, DRM_IOCTL_MODE_MAP_DUMB, &arg))
		err(1, "DRM_IOCTL_MODE_MAP_DUMB");
	map(vgem, arg.offset, size);
}

static const char * const others = " eventfd dup memfd pipe sync export ";

static void stop(int n)
{
	sigset_t set;
	int sig;

	printf("%d made\n", n);
	fflush(stdout);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigwait(&set, &sig);
}

static void usage(void)
{
	errx(2, "arguments: [-c COMM] [-n NAME] [-i] [-s] EXPORTER SIZE [COUNT [ACTION...]]");
}

static void act(char **arg, struct buffer *b, int n, size_t size)
{
	int i, nr;

	for (; *arg; arg++) {
		if (!strcmp(*arg, "exit")) {
			exit(0);
		} else if (!strcmp(*arg, "stop")) {
			stop(n);
		} else if (!strcmp(*arg, "fork")) {
			if (!fork()) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				pause();
			}
		} else if (!strcmp(*arg, "churn")) {
			printf("%d made\n", n);
			fflush(stdout);
			churn(size);
		} else if (!strcmp(*arg, "post")) {
			post(b, n);
		} else if (!strcmp(*arg, "map")) {
			for (i = 0; i < n; i++)
				map(b[i].fd, 0, lseek(b[i].fd, 0, SEEK_END));
		} else if (!strcmp(*arg, "mapgem")) {
			for (i = 0; i < n; i++)
				map_gem(b[i].exported, size);
		} else if (!strcmp(*arg, "path")) {
			for (i = 0; i < n; i++)
				demote(&b[i]);
		} else if (!strcmp(*arg, "forget")) {
			for (i = 0; i < n; i++) {
				close_handle(vgem, b[i].exported);
				b[i].exported = 0;
			}
		} else if (!arg[1]) {
			usage();
		} else if (!strcmp(*arg, "send")) {
			send_to(*++arg, b, n);
		} else {
			const char *what = *arg++;
			char word[16];

			nr = atoi(*arg);
			snprintf(word, sizeof(word), " %s ", what);
			if (!strcmp(what, "close")) {
				for (i = 0; i < nr && i < n; i++)
					close(b[i].fd);
			} else if (!strcmp(what, "fill")) {
				fill(size, nr);
			} else if (!strcmp(what, "grow")) {
				printf("%d made\n", n);
				fflush(stdout);
				grow(size, nr);
			} else if (!strcmp(what, "import")) {
				import_files(b, n, nr);
			} else if (!strcmp(what, "unimport")) {
				while (nr-- && nr_imports)
					close(imports[--nr_imports]);
			} else if (strstr(others, word)) {
				while (nr--)
					if (other(what, b) < 0)
						err(1, "%s", what);
			} else {
				usage();
			}
		}
	}
}

int main(int argc, char **argv)
{
	void (*make)(struct buffer *b, size_t size) = NULL;
	bool do_import = false;
	const char *name = NULL;
	struct buffer *b;
	int opt, i, n = 1;
	sigset_t set;
	size_t size = 0;

	while ((opt = getopt(argc, argv, "c:n:is")) != -1) {
		switch (opt) {
		case 'c':
			prctl(PR_SET_NAME, optarg);
			break;
		case 'n':
			name = optarg;
			break;
		case 'i':
			do_import = true;
			break;
		case 's':
			shared = true;
			break;
		default:
			usage();
		}
	}
	if (argc - optind < 2)
		usage();
	if (!strcmp(argv[optind], "heap"))
		make = make_heap;
	else if (!strcmp(argv[optind], "udmabuf"))
		make = make_udmabuf;
	else if (!strcmp(argv[optind], "vgem"))
		make = make_vgem;
	else if (strcmp(argv[optind], "receive"))
		usage();
	if (make)
		size = strtoull(argv[optind + 1], NULL, 0);
	if (argc - optind > 2)
		n = atoi(argv[optind + 2]);
	if ((make && !size) || n < 1 || n > MAX_BUFFERS)
		usage();

	b = calloc(n, sizeof(*b));
	if (!b)
		err(1, "calloc");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (!make)
		receive(argv[optind + 1], b, n);
	for (i = 0; i < n; i++) {
		if (make)
			make(&b[i], size);
		if (name && ioctl(b[i].fd, DMA_BUF_SET_NAME, name))
			err(1, "DMA_BUF_SET_NAME");
		if (do_import)
			import(&b[i]);
	}
	if (argc - optind > 3)
		act(argv + optind + 3, b, n, size);
	stop(n);
	for (i = 0; i < n; i++)
		demote(&b[i]);
	/* An open device would pin its module */
	close(vgem);
	close(vkms);
	printf("%d closed\n", n);
	fflush(stdout);
	for (;;)
		pause();
}
