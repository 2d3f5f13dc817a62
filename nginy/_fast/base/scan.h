/* Runs of plain bytes skipped sixteen at a time: what a processor's vectors are for and Cython cannot say.
   Each gives the place of the first byte that may end the run, or of the last few bytes, which it leaves to the caller's
   table: it looks at nothing from p[n] on. */
#ifndef NGINY_SCAN_H
#define NGINY_SCAN_H

#include <stdint.h>

#if defined(__SSE2__) && !defined(NGINY_DEBUG)
#include <emmintrin.h>

/* Which of sixteen bytes are neither a letter, a digit nor a hyphen. */
static inline uint32_t ngy_ends_name(__m128i v) {
    __m128i letter = _mm_or_si128(v, _mm_set1_epi8(0x20));
    letter = _mm_cmplt_epi8(_mm_add_epi8(letter, _mm_set1_epi8((char)(128 - 'a'))), _mm_set1_epi8(26 - 128));
    __m128i digit = _mm_cmplt_epi8(_mm_add_epi8(v, _mm_set1_epi8((char)(128 - '0'))), _mm_set1_epi8(10 - 128));
    __m128i hyphen = _mm_cmpeq_epi8(v, _mm_set1_epi8('-'));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letter, digit), hyphen)) ^ 0xffff;
}

/* Which are controls, HTAB among them. */
static inline uint32_t ngy_ends_value(__m128i v) {
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(control, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))));
}

/* Which are controls, a space, beyond ASCII, '?' or '#'. */
static inline uint32_t ngy_ends_target(__m128i v) {
    __m128i end = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x21)), _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
    end = _mm_or_si128(end, _mm_cmpeq_epi8(v, _mm_set1_epi8('?')));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(end, _mm_cmpeq_epi8(v, _mm_set1_epi8('#'))));
}

#define NGY_SCAN(what)                                                                       \
    static inline uint32_t ngy_skip_##what(const uint8_t *p, uint32_t at, uint32_t n) {      \
        for (; at + 16 <= n; at += 16) {                                                     \
            uint32_t ends = ngy_ends_##what(_mm_loadu_si128((const __m128i *)(p + at)));     \
            if (ends)                                                                        \
                return at + (uint32_t)__builtin_ctz(ends);                                   \
        }                                                                                    \
        return at;                                                                           \
    }

#else /* other processors, and debug builds, so that it is tested everywhere: all is left to the table */

#define NGY_SCAN(what)                                                                       \
    static inline uint32_t ngy_skip_##what(const uint8_t *p, uint32_t at, uint32_t n) {      \
        (void)p;                                                                             \
        (void)n;                                                                             \
        return at;                                                                           \
    }

#endif

NGY_SCAN(name)
NGY_SCAN(value)
NGY_SCAN(target)

#endif
