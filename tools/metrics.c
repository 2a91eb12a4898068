// SPDX-License-Identifier: GPL-2.0
/* Metrics for monitoring; no label that grows with buffers or processes */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dmabuf-stat.h"

static void label(const char *s)
{
	for (; s && *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
}

/* A counter loses its suffix in OpenMetrics, and an info has a type */
static void head(const char *name, const char *type, const char *help)
{
	int n = strlen(name);

	if (opt.openmetrics && !strcmp(type, "counter"))
		n -= strlen("_total");
	if (opt.openmetrics && !strcmp(type, "info"))
		n -= strlen("_info");
	else if (!strcmp(type, "info"))
		type = "gauge";
	fprintf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", n, name, help, n, name,
		type);
}

/* Only the list shows buffers that are closed but not freed */
static void closed(struct snap *s)
{
	if (s->source != SRC_LIST || !s->listed)
		return;
	head("dmabuf_closed_buffers", "gauge",
	     "DMA-BUFs that are closed, but not freed");
	fprintf(out, "dmabuf_closed_buffers %" PRIu64 "\n", s->closed);
	head("dmabuf_closed_size_bytes", "gauge",
	     "Sum of the sizes of closed DMA-BUFs that are not freed");
	fprintf(out, "dmabuf_closed_size_bytes %" PRIu64 "\n",
		s->closed_bytes);
}

/* Text format 0.0.4, or OpenMetrics 1.0 */
void metrics(struct snap *s)
{
	static const struct {
		const char *name, *type, *help;
	} totals[ST_N] = {
		{ "dmabuf_buffers", "gauge", "DMA-BUFs that exist" },
		{ "dmabuf_size_bytes", "gauge",
		  "Sum of the sizes of the DMA-BUFs that exist" },
		{ "dmabuf_peak_size_bytes", "gauge",
		  "Highest sum of the sizes since boot or reset" },
		{ "dmabuf_exported_buffers_total", "counter",
		  "DMA-BUFs exported since boot" },
		{ "dmabuf_exported_bytes_total", "counter",
		  "Sum of the sizes of DMA-BUFs exported since boot" },
	};
	static const char * const by_exporter[2][2] = {
		{ "dmabuf_exporter_buffers", "DMA-BUFs by exporter" },
		{ "dmabuf_exporter_size_bytes",
		  "Sum of the sizes of DMA-BUFs by exporter" },
	};
	struct column columns[G_N + 2];
	struct table t;
	uint64_t val;
	size_t i;
	int m;

	for (m = 0; m < ST_N; m++) {
		if (!snap_total(s, m, &val))
			continue;
		head(totals[m].name, totals[m].type, totals[m].help);
		fprintf(out, "%s %" PRIu64 "\n", totals[m].name, val);
	}
	closed(s);
	group(s, G_DEFAULT, &t, columns, NULL);
	for (m = 0; m < 2 && t.n; m++) {
		head(by_exporter[m][0], "gauge", by_exporter[m][1]);
		for (i = 0; i < t.n; i++) {
			const struct cell *c = t.cells + i * t.ncol;

			if (c[2 + m].kind == K_NULL)
				continue;
			fprintf(out, "%s{exporter=\"", by_exporter[m][0]);
			label(c[0].kind == K_STR ? c[0].str : "");
			fputs("\",module=\"", out);
			label(c[1].kind == K_STR ? c[1].str : "");
			fprintf(out, "\"} %" PRIu64 "\n", c[2 + m].num);
		}
	}
	free(t.cells);
	head("dmabuf_stat_source_info", "info", "Where the values are from");
	fprintf(out, "dmabuf_stat_source_info{source=\"%s\"} 1\n",
		source_name(s->source));
	head("dmabuf_stat_complete", "gauge", "Whether nothing is missing");
	fprintf(out, "dmabuf_stat_complete %d\n", !s->incomplete);
	if (opt.openmetrics)
		fputs("# EOF\n", out);
}
