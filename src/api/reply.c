/* SPDX-License-Identifier: MIT */
/* api/reply.c — reading and ending the replies of fac_cache_command(). Replies do not change once
 * a caller has one, so any thread may read them. */
#include "resp/reply.h"

#include <faciliter/reply.h>

fac_reply_type fac_reply_kind(const fac_reply *reply)
{
    return reply == NULL ? FAC_REPLY_NULL : reply->type;
}

int64_t fac_reply_integer(const fac_reply *reply)
{
    return reply == NULL ? 0 : reply->integer;
}

fac_bytes fac_reply_bytes(const fac_reply *reply)
{
    if (reply == NULL || reply->text == NULL) {
        return fac_mem("", 0); /* an empty text has no block of its own */
    }
    return fac_mem(reply->text, reply->text_len);
}

size_t fac_reply_count(const fac_reply *reply)
{
    return reply == NULL ? 0 : reply->n_children;
}

const fac_reply *fac_reply_child(const fac_reply *reply, size_t index)
{
    return index < fac_reply_count(reply) ? &reply->children[index] : NULL;
}

void fac_reply_free(fac_reply *reply)
{
    faci_reply_free(reply);
}
