// SPDX-License-Identifier: GPL-2.0
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))

struct inner {
	void (*gone)(struct inner *inner);
};

struct outer {
	int before;
	struct inner inner;
};

static void gone(struct inner *inner)
{
	kobject_del(container_of(inner, struct outer, inner));
}

void my_init(struct outer *outer)
{
	outer->inner = (struct inner) { .gone = gone };
}

static void my_release(struct dma_buf *dmabuf)
{
	struct inner *inner = dmabuf->priv;

	if (inner->gone)
		inner->gone(inner);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
