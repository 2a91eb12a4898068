// SPDX-License-Identifier: GPL-2.0
struct work {
	void (*fn)(struct dma_buf *dmabuf);
};

struct worker {
	void (*fn)(struct dma_buf *dmabuf);
};

static void gone(struct dma_buf *dmabuf)
{
	kobject_del(dmabuf);
}

static void nothing(struct dma_buf *dmabuf)
{
}

void my_init(struct worker *worker, struct work *work)
{
	void (*fn)(struct dma_buf *dmabuf) = work->fn;

	worker->fn = nothing;
	work->fn = gone;
	worker->fn = fn;
}

static void my_release(struct dma_buf *dmabuf)
{
	struct worker *worker = dmabuf->priv;

	worker->fn(dmabuf);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
