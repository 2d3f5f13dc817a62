/* What Cython cannot say: atomics, branch hints, debug checks. Nothing else may be written in C here. */
#ifndef NGINY_COMPAT_H
#define NGINY_COMPAT_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ngy_load(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define ngy_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define ngy_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ngy_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define ngy_add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define ngy_sub(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELAXED)
#define ngy_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
#define ngy_fence_full() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define ngy_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)

#define ngy_likely(x) __builtin_expect(!!(x), 1)
#define ngy_unlikely(x) __builtin_expect(!!(x), 0)

/* Invariants, never input: a debug build stops at the first broken one. */
#ifdef NGINY_DEBUG
#define NGY_CHECK(cond)                                                              \
    do {                                                                             \
        if (ngy_unlikely(!(cond))) {                                                 \
            fprintf(stderr, "nginy: check failed: %s (%s:%d)\n", #cond, __FILE__, __LINE__); \
            abort();                                                                 \
        }                                                                            \
    } while (0)
#define NGY_IS_DEBUG 1
#else
#define NGY_CHECK(cond) ((void)0)
#define NGY_IS_DEBUG 0
#endif

#endif
