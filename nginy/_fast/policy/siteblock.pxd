# Blocks of sites: how their parts lie, and what has to be true before one is believed.
from libc.stdint cimport uint8_t, uint64_t
from nginy._fast.policy.site cimport site_header_t, site_t

cdef enum:
    SITE_MOST_LINES = 16384     # bytes of header lines of a response

# Where the parts of a block with these counts lie. base may be NULL to learn its length alone. Returns the length in bytes.
cdef uint64_t site_lay(site_t* site, const site_header_t* header, const uint8_t* base) noexcept nogil

# The checksum a block must carry in its header.
cdef uint64_t site_checksum(const uint8_t* block, uint64_t n_bytes) noexcept nogil

# Look at a block in memory, at a multiple of eight bytes, which must stay as long as the view. 0, or -refusal_t.
cdef int site_read(site_t* site, const uint8_t* block, uint64_t n_bytes) noexcept nogil
