// SPDX-License-Identifier: GPL-2.0
/*
 * An export and a release call no kobject, kset, kernfs or sysfs function:
 * probes on those functions count the calls in 1,000 of each.
 *
 * If DMABUF_STATS_COUNT_ONLY is set in the environment, the counts are only
 * printed, on kernels without the statistics, too: with a directory for each
 * buffer, there are thousands.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "common.h"

#define EXPORTS		1000

/* Hit once for each export, which proves that probes work */
#define CONTROL		"dma_buf_export"

static const char * const functions[] = {
	CONTROL,
	"kobject_init", "kobject_add", "kobject_add_internal",
	"kobject_init_and_add", "kobject_create_and_add", "kobject_del",
	"kobject_set_name_vargs", "kobject_uevent_env", "kset_register",
	"kset_create_and_add", "kset_unregister",
	"kernfs_new_node", "__kernfs_new_node", "kernfs_add_one",
	"kernfs_create_dir_ns", "__kernfs_create_file", "kernfs_create_link",
	"kernfs_activate", "kernfs_remove", "__kernfs_remove",
	"kernfs_remove_by_name_ns",
	"sysfs_create_dir_ns", "sysfs_remove_dir", "sysfs_create_file_ns",
	"sysfs_create_files", "sysfs_remove_file_ns", "sysfs_create_group",
	"sysfs_remove_group", "sysfs_create_link",
	"device_add", "device_del",
};

/*
 * Not inlined on any kernel. kobject functions can be probed only without
 * DYNAMIC_FTRACE or with KPROBE_EVENTS_ON_NOTRACE.
 */
static const char * const needed[] = {
	CONTROL, "kobject_add", "kobject_init_and_add", "kobject_del",
	"kernfs_add_one", "kernfs_remove", "device_add",
};

static bool needs(const char *function)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(needed); i++)
		if (!strcmp(function, needed[i]))
			return true;
	return false;
}

/* Any task hits a probe, so work queued by an export is counted, too */
static bool hits_read(unsigned long *hits)
{
	char event[64], *line, *next;
	struct text text;
	unsigned long hit;
	size_t i;

	if (!text_read_path(TRACE_DIR "kprobe_profile", &text))
		return false;
	memset(hits, 0, ARRAY_LEN(functions) * sizeof(*hits));
	for (line = text.s; *line; line = next) {
		next = strchrnul(line, '\n');
		next += !!*next;
		if (sscanf(line, " nk_%63s %lu", event, &hit) != 2)
			continue;
		for (i = 0; i < ARRAY_LEN(functions); i++)
			if (!strcmp(event, functions[i]))
				hits[i] = hit;
	}
	text_free(&text);
	return true;
}

static void probes_remove(void)
{
	char text[128];
	size_t i;

	trace_put("events/nokobject/enable", "0");
	for (i = 0; i < ARRAY_LEN(functions); i++) {
		snprintf(text, sizeof(text), "-:nokobject/nk_%s",
			 functions[i]);
		trace_put("kprobe_events", text);
	}
}

FIXTURE(nokobject)
{
	const char *missing;
};

EXPORTER_VARIANTS(nokobject);

FIXTURE_SETUP(nokobject)
{
	char text[128];
	size_t i;

	if (!mount_tracefs()) {
		self->missing = "kprobe events";
		return;
	}
	probes_remove();
	for (i = 0; i < ARRAY_LEN(functions); i++) {
		snprintf(text, sizeof(text), "p:nokobject/nk_%s %s",
			 functions[i], functions[i]);
		if (!trace_put("kprobe_events", text) && needs(functions[i]))
			self->missing = functions[i];
	}
	trace_put("events/nokobject/enable", "1");
}

FIXTURE_TEARDOWN(nokobject)
{
	probes_remove();
}

/*
 * Other tasks may create kobjects meanwhile, so the best of several runs
 * counts. An export that creates one would do so in each of them.
 */
TEST_EXPORTER(nokobject, export_and_release)
{
	unsigned long before[ARRAY_LEN(functions)];
	unsigned long after[ARRAY_LEN(functions)];
	unsigned long total = ~0UL, best = ~0UL;
	int fds[EXPORTS];
	size_t i;
	int run;

	if (self->missing)
		SKIP(return, "cannot probe %s", self->missing);

	for (run = 0; run < 5 && best; run++) {
		ASSERT_TRUE(hits_read(before));
		for (i = 0; i < EXPORTS; i++) {
			fds[i] = buffer_new(variant->exporter, PAGE);
			ASSERT_LE(0, fds[i]);
		}
		for (i = 0; i < EXPORTS; i++)
			close(fds[i]);
		/* Wait for deferred work */
		usleep(300000);
		ASSERT_TRUE(hits_read(after));

		ASSERT_EQ(0, strcmp(functions[0], CONTROL));
		ASSERT_LE(EXPORTS, after[0] - before[0]);
		for (i = 1, total = 0; i < ARRAY_LEN(functions); i++) {
			total += after[i] - before[i];
			if (after[i] - before[i])
				ksft_print_msg("%s: %lu\n", functions[i],
					       after[i] - before[i]);
		}
		ksft_print_msg("%d exports and releases by %s: %lu hits\n",
			       EXPORTS, exporter_name(variant->exporter),
			       total);
		if (total < best)
			best = total;
		if (getenv("DMABUF_STATS_COUNT_ONLY"))
			best = 0;
	}
	EXPECT_EQ(0, best);
}

TEST_HARNESS_MAIN
