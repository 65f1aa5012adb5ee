/* SPDX-License-Identifier: MIT */
/* fault/malformed.h — the generated list of row H8: what a peer may send that is no RESP, over a
 * limit, or the beginning of something. */
#ifndef FAC_FAULT_MALFORMED_H
#define FAC_FAULT_MALFORMED_H

#include <stdbool.h>
#include <stddef.h>

struct malformed {
    unsigned char *bytes;
    size_t len;
    bool is_cut;     /* right as far as it goes: the connection ends behind it */
    const char *why; /* of the generator that made it */
};

struct malformed_list {
    struct malformed *each;
    size_t n;
    size_t cap;
};

void malformed_make(struct malformed_list *list);
void malformed_free(struct malformed_list *list);

#endif
