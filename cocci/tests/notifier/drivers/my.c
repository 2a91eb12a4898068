// SPDX-License-Identifier: GPL-2.0
static int my_call(struct notifier_block *nb, unsigned long v, void *p)
{
	return sysfs_create_link(p);
}

static struct notifier_block my_block = {
	.notifier_call = my_call,
};

static struct notifier_block *my_chain = &my_block;

static void my_release(struct dma_buf *dmabuf)
{
	my_chain->notifier_call(my_chain, 1, dmabuf);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
