// SPDX-License-Identifier: GPL-2.0
/* /sys/kernel/dmabuf/buffers, a directory for each buffer */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "dmabuf-stat.h"

#define BUFFERS "sys/kernel/dmabuf/buffers"

int sysfs_read(struct snap *s)
{
	DIR *dir = open_dir(root_fd, rec_path(s, BUFFERS));
	struct dirent *d;

	if (!dir)
		return -errno;

	while ((d = readdir(dir))) {
		struct buf b = { .has = HAS_INO };
		char path[320], text[64];

		if (!parse_u64(d->d_name, 10, &b.ino))
			continue;
		if (s->second) {
			snap_add(s, &b);
			continue;
		}
		snprintf(path, sizeof(path), BUFFERS "/%s/size", d->d_name);
		errno = 0;
		if (!read_word(path, text, sizeof(text))) {
			/* freed since: ENODEV if it goes between open and read */
			if (errno != ENOENT && errno != ENODEV)
				snap_note(s, true, "/%s: %s", path,
					  strerror(errno));
			continue;
		}
		if (!parse_u64(text, 10, &b.size)) {
			snap_note(s, true, "/%s: not a number", path);
			continue;
		}
		b.has |= HAS_SIZE;
		snprintf(path, sizeof(path), BUFFERS "/%s/exporter_name",
			 d->d_name);
		if (read_word(path, text, sizeof(text)))
			b.exporter = escape(text);
		snap_add(s, &b);
	}
	closedir(dir);
	return 0;
}
