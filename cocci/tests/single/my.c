// SPDX-License-Identifier: GPL-2.0
static int deep(struct buf *b)
{
	return kobject_add(&b->kobj, NULL, "x");
}
static void work_fn(struct work_struct *w)
{
	deep(container_of(w, struct buf, work));
}
static void my_release(struct dma_buf *d)
{
	INIT_WORK(&b->work, work_fn);
	schedule_work(&b->work);
}
static const struct dma_buf_ops my_ops = {
	.attach = foo,
	.release = my_release,
};
struct dma_buf *my_prime_export(struct drm_gem_object *obj, int flags)
{
	kobject_add(&obj->kobj, NULL, "y");
	return drm_gem_prime_export(obj, flags);
}
int unrelated(struct device *d)
{
	return device_add(d);
}
