// SPDX-License-Identifier: GPL-2.0
struct buf {
	struct kobject kobj;
	struct rcu_head rcu;
};

static void later(struct rcu_head *rcu)
{
	kobject_del(rcu);
}

static void my_release(struct dma_buf *dmabuf)
{
	struct buf *buf = dmabuf->priv;

	call_rcu(&buf->rcu, later);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
