// SPDX-License-Identifier: GPL-2.0
struct buf;

struct buf_funcs {
	void (*free)(struct buf *buf);
};

struct other_funcs {
	void (*free)(struct buf *buf);
};

struct buf {
	const struct buf_funcs *funcs;
};

static void buf_free(struct buf *buf)
{
	kobject_del(buf);
}

static void other_free(struct buf *buf)
{
	device_del(buf);
}

static const struct buf_funcs funcs = {
	.free = buf_free,
};

static const struct other_funcs others = {
	.free = other_free,
};

static void my_release(struct dma_buf *dmabuf)
{
	struct buf *buf = dmabuf->priv;

	buf->funcs->free(buf);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
