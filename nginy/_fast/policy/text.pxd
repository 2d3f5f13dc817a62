# Addresses as people write them, for keys that are hashed as another program hashes its own.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    TEXT_BYTES = 64             # an IPv6 address has 45 at most, a port six

# Write an address (16 bytes, family 4, 6, or 0 = unix) and, if asked for, ':' and its port, as nginx writes $remote_addr and
# $remote_addr:$remote_port. to: TEXT_BYTES. Returns how many were written. Source: RFC 5952.
cdef uint32_t text_of_address(uint8_t* to, const uint8_t* ip, uint8_t family, uint16_t port, bint has_port) noexcept nogil
