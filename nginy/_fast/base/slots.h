/* Ten 16-bit tags of a bucket compared at once: what a processor's vectors are for and Cython cannot say.
   A set of slots is a word of bits; slot_of gives the slot of its lowest one, and x & (x - 1) takes that one away. */
#ifndef NGINY_SLOTS_H
#define NGINY_SLOTS_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(NGINY_DEBUG)
#include <emmintrin.h>

static inline uint64_t ngy_slots_with(const uint16_t *tags, uint16_t tag) {
    __m128i wanted = _mm_set1_epi16((short)tag);
    int32_t last;
    memcpy(&last, tags + 8, 4);
    __m128i first8 = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)tags), wanted);
    __m128i last2 = _mm_cmpeq_epi16(_mm_cvtsi32_si128(last), wanted);
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(first8, last2)) & 0x3ff;
}

static inline uint32_t ngy_slot_of(uint64_t slots) {
    return (uint32_t)__builtin_ctzll(slots);
}

#else /* other processors, and debug builds, so that it is tested everywhere; little-endian */

/* The top bit of each 16 that are all zero, and no other bit. Exact: an empty slot must not look like a used one. */
static inline uint64_t ngy_zero_lanes(uint64_t x) {
    const uint64_t low = 0x7fff7fff7fff7fffu;
    return ~(((x & low) + low) | x | low);
}

static inline uint64_t ngy_slots_with(const uint16_t *tags, uint16_t tag) {
    uint64_t words[2], wanted = tag * (uint64_t)0x0001000100010001u;
    uint32_t last;
    memcpy(words, tags, 16);
    memcpy(&last, tags + 8, 4);
    return ngy_zero_lanes(words[0] ^ wanted) >> 15 | ngy_zero_lanes(words[1] ^ wanted) >> 14 |
           (ngy_zero_lanes(last ^ wanted) & 0x80008000u) >> 13;
}

static inline uint32_t ngy_slot_of(uint64_t slots) {
    uint32_t bit = (uint32_t)__builtin_ctzll(slots);
    return (bit & 3) << 2 | bit >> 4;
}

#endif
#endif
