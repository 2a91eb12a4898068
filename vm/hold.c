// SPDX-License-Identifier: GPL-2.0
/*
 * Exports dma-bufs through a real exporter and holds them, for scripts and
 * interactive use in the virtual machine.
 *
 *   hold [-c COMM] [-n NAME] [-i] [-s] EXPORTER SIZE [COUNT]
 *	makes COUNT buffers, says so, and holds them until it is killed; on
 *	SIGUSR1 it closes them but keeps an O_PATH descriptor of each
 *
 * EXPORTER: heap (the system heap), udmabuf (over a memfd) or vgem (a DRM
 * device, by PRIME).  -i imports each buffer into vkms, a second DRM device; -s
 * makes all udmabufs over one memfd, so that a million of them fit.
 */
#define _GNU_SOURCE
#include <drm/drm.h>
#include <err.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MAX_BUFFERS 1048576

struct buffer {
	int fd;
	__u32 exported;		/* GEM handles, if there are any */
	__u32 imported;
};

static int vgem = -1, vkms = -1;
static bool shared;

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

static void make_heap(struct buffer *b, size_t size)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	static int heap = -1;

	if (heap < 0)
		heap = open_or_die("/dev/dma_heap/system");
	if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data))
		err(1, "DMA_HEAP_IOCTL_ALLOC");
	b->fd = data.fd;
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

static void usage(void)
{
	errx(2, "arguments: [-c COMM] [-n NAME] [-i] [-s] heap|udmabuf|vgem SIZE [COUNT]");
}

int main(int argc, char **argv)
{
	void (*make)(struct buffer *b, size_t size) = NULL;
	bool do_import = false;
	const char *name = NULL;
	struct buffer *b;
	int opt, i, n = 1;
	sigset_t set;
	size_t size;

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
	if (argc - optind < 2 || argc - optind > 3)
		usage();
	if (!strcmp(argv[optind], "heap"))
		make = make_heap;
	else if (!strcmp(argv[optind], "udmabuf"))
		make = make_udmabuf;
	else if (!strcmp(argv[optind], "vgem"))
		make = make_vgem;
	else
		usage();
	size = strtoull(argv[optind + 1], NULL, 0);
	if (argc - optind == 3)
		n = atoi(argv[optind + 2]);
	if (!size || n < 1 || n > MAX_BUFFERS)
		usage();

	b = calloc(n, sizeof(*b));
	if (!b)
		err(1, "calloc");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (i = 0; i < n; i++) {
		make(&b[i], size);
		if (name && ioctl(b[i].fd, DMA_BUF_SET_NAME, name))
			err(1, "DMA_BUF_SET_NAME");
		if (do_import)
			import(&b[i]);
	}
	printf("%d made\n", n);
	fflush(stdout);
	sigwait(&set, &opt);
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
