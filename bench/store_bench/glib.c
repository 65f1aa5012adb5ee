/* SPDX-License-Identifier: MIT */
/* store_bench/glib.c — what is quickly written with GLib: one table, one list in order of use, one
 * mutex around both. */
#include "side.h"

#include <glib.h>
#include <string.h>

enum {
    /* What an item takes beside key and value: table, list node, struct, allocator. Measured by
     * mallinfo2 with a million of them; only the mixed cell's evictions depend on it. */
    ITEM_EXTRA_BYTES = 108,
};

struct item {
    GList link; /* first: the list's node is the item */
    char key[KEY_BYTES];
    size_t len;
    char value[];
};

struct glib_cache {
    GMutex lock;
    GHashTable *table; /* the keys are the items' own */
    GQueue order;      /* the head was used last */
    uint64_t bytes;
    uint64_t max_bytes;
};

/* FNV-1a over 16 bytes: no worse than g_str_hash, and keys need no NUL. */
static guint hash_key(gconstpointer key)
{
    const unsigned char *at = key;
    guint hash = 2166136261U;
    for (int i = 0; i < KEY_BYTES; i++) {
        hash = (hash ^ at[i]) * 16777619U;
    }
    return hash;
}

static gboolean is_same_key(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, KEY_BYTES) == 0;
}

static void *open_glib(uint64_t bytes)
{
    struct glib_cache *cache = g_new0(struct glib_cache, 1);
    g_mutex_init(&cache->lock);
    g_queue_init(&cache->order);
    cache->table = g_hash_table_new(hash_key, is_same_key);
    cache->max_bytes = bytes;
    return cache;
}

static bool get_glib(void *opened, unsigned thread, const char *key, char *value)
{
    (void)thread;
    struct glib_cache *cache = opened;
    g_mutex_lock(&cache->lock);
    struct item *item = g_hash_table_lookup(cache->table, key);
    if (item != NULL) {
        g_queue_unlink(&cache->order, &item->link);
        g_queue_push_head_link(&cache->order, &item->link);
        memcpy(value, item->value, item->len);
    }
    g_mutex_unlock(&cache->lock);
    return item != NULL;
}

static void drop(struct glib_cache *cache, struct item *item)
{
    (void)g_hash_table_remove(cache->table, item->key);
    g_queue_unlink(&cache->order, &item->link);
    cache->bytes -= KEY_BYTES + item->len + ITEM_EXTRA_BYTES;
    g_free(item);
}

static bool set_glib(void *opened, unsigned thread, const char *key, const char *value)
{
    (void)thread;
    struct glib_cache *cache = opened;
    struct item *item = g_malloc(sizeof(*item) + VALUE_BYTES);
    item->link = (GList){.data = item};
    memcpy(item->key, key, KEY_BYTES);
    item->len = VALUE_BYTES;
    memcpy(item->value, value, VALUE_BYTES);
    g_mutex_lock(&cache->lock);
    struct item *old = g_hash_table_lookup(cache->table, key);
    if (old != NULL) {
        drop(cache, old);
    }
    (void)g_hash_table_insert(cache->table, item->key, item);
    g_queue_push_head_link(&cache->order, &item->link);
    cache->bytes += KEY_BYTES + item->len + ITEM_EXTRA_BYTES;
    while (cache->bytes > cache->max_bytes) {
        drop(cache, cache->order.tail->data);
    }
    g_mutex_unlock(&cache->lock);
    return true;
}

static void close_glib(void *opened)
{
    struct glib_cache *cache = opened;
    while (cache->order.tail != NULL) {
        drop(cache, cache->order.tail->data);
    }
    g_hash_table_destroy(cache->table);
    g_mutex_clear(&cache->lock);
    g_free(cache);
}

const struct side k_glib = {"GHashTable + LRU, a mutex", open_glib, get_glib, set_glib,
                            close_glib};
