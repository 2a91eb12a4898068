// SPDX-License-Identifier: GPL-2.0
/* Exporters, their buffers, and DRM devices that import buffers. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "common.h"

/* One descriptor for each device, as long as the process lives */
static int fds[NR_EXPORTERS] = { -1, -1, -1 };

static int device(enum exporter exporter)
{
	if (fds[exporter] >= 0)
		return fds[exporter];
	if (exporter == SYSTEM)
		fds[SYSTEM] = open("/dev/dma_heap/system",
				   O_RDONLY | O_CLOEXEC);
	else if (exporter == UDMABUF)
		fds[UDMABUF] = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	else
		fds[VGEM] = drm_open("vgem");
	return fds[exporter];
}

/*
 * For a child that may be killed: if it shared the open file of a DRM device,
 * the parent would keep the buffers that the child has handles for.
 */
void devices_reopen(void)
{
	int i;

	for (i = 0; i < NR_EXPORTERS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

bool exporter_there(enum exporter exporter)
{
	return device(exporter) >= 0;
}

/* For tests that work with any exporter; NR_EXPORTERS if there is none */
enum exporter any_exporter(void)
{
	int i;

	for (i = 0; i < NR_EXPORTERS; i++)
		if (exporter_there(i))
			break;
	return i;
}

/* Exporters in turn, as far as they are there */
enum exporter some_exporter(unsigned int nr)
{
	return exporter_there(nr % NR_EXPORTERS) ? nr % NR_EXPORTERS :
						   any_exporter();
}

const char *exporter_name(enum exporter exporter)
{
	static const char * const names[] = { "system", "udmabuf", "vgem" };

	return names[exporter];
}

/* Only loaded modules have a state, built-in ones do not */
const char *exporter_module(enum exporter exporter)
{
	static const char * const modules[] = {
		"system_heap", "udmabuf", "vgem"
	};
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate",
		 modules[exporter]);
	return access(path, F_OK) ? "" : modules[exporter];
}

int buffer_new_flags(size_t size, int flags)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = flags,
	};

	if (ioctl(device(SYSTEM), DMA_HEAP_IOCTL_ALLOC, &data))
		return -1;
	return data.fd;
}

static int udmabuf_new(size_t size)
{
	struct udmabuf_create create = {
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size,
	};
	int memfd, fd = -1, err;

	memfd = memfd_create("udmabuf", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (memfd < 0)
		return -1;
	if (!ftruncate(memfd, size) &&
	    !fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK)) {
		create.memfd = memfd;
		fd = ioctl(device(UDMABUF), UDMABUF_CREATE, &create);
	}
	err = errno;
	close(memfd);
	errno = err;
	return fd;
}

/* The handle is closed, so that the descriptor is the only reference */
int drm_buffer_new(int drm, size_t size)
{
	unsigned int handle;
	int fd, err;

	if (drm_create(drm, size, &handle))
		return -1;
	fd = drm_export(drm, handle);
	err = errno;
	drm_close_handle(drm, handle);
	errno = err;
	return fd;
}

/* Returns the descriptor, or -1 with errno set */
int buffer_new(enum exporter exporter, size_t size)
{
	switch (exporter) {
	case SYSTEM:
		return buffer_new_flags(size, O_RDWR | O_CLOEXEC);
	case UDMABUF:
		return udmabuf_new(size);
	default:
		return drm_buffer_new(device(VGEM), size);
	}
}

bool buffer_set_name(int fd, const char *name)
{
	return !ioctl(fd, DMA_BUF_SET_NAME, name);
}

/* Returns 0, which no buffer has, on failure */
unsigned long long buffer_ino(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

size_t buffer_size(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);

	return end < 0 ? 0 : end;
}

int drm_open(const char *driver)
{
	char path[32], name[32];
	int i, fd;

	for (i = 0; i < 16; i++) {
		struct drm_version version = {
			.name = name,
			.name_len = sizeof(name) - 1,
		};

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		memset(name, 0, sizeof(name));
		if (!ioctl(fd, DRM_IOCTL_VERSION, &version) &&
		    !strcmp(name, driver))
			return fd;
		close(fd);
	}
	errno = ENODEV;
	return -1;
}

/* A dumb buffer with one line for each 4 KiB */
int drm_create(int drm, size_t size, unsigned int *handle)
{
	struct drm_mode_create_dumb create = {
		.width = 1024,
		.height = size / 4096,
		.bpp = 32,
	};

	if (ioctl(drm, DRM_IOCTL_MODE_CREATE_DUMB, &create))
		return -1;
	*handle = create.handle;
	return 0;
}

int drm_export(int drm, unsigned int handle)
{
	struct drm_prime_handle prime = {
		.handle = handle,
		.flags = DRM_CLOEXEC | DRM_RDWR,
	};

	if (ioctl(drm, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime))
		return -1;
	return prime.fd;
}

int drm_import(int drm, int fd, unsigned int *handle)
{
	struct drm_prime_handle prime = { .fd = fd };

	if (ioctl(drm, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime))
		return -1;
	*handle = prime.handle;
	return 0;
}

void drm_close_handle(int drm, unsigned int handle)
{
	struct drm_gem_close arg = { .handle = handle };

	ioctl(drm, DRM_IOCTL_GEM_CLOSE, &arg);
}
