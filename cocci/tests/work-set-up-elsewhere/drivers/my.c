// SPDX-License-Identifier: GPL-2.0
struct buf {
	struct kobject kobj;
	struct work_struct work;
};

static void my_work(struct work_struct *work)
{
	kobject_del(work);
}

void my_init(struct buf *buf)
{
	INIT_WORK(&buf->work, my_work);
}

static void my_release(struct dma_buf *dmabuf)
{
	struct buf *buf = dmabuf->priv;

	schedule_work(&buf->work);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
