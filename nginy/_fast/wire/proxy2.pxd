# PROXY protocol, version 2, for datagrams. Source: HAProxy's proxy-protocol.txt, section 2.2.
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from nginy._fast.base.layout cimport snap_net_t

cdef enum:
    PROXY2_MOST = 52            # bytes that proxy2_write writes at most

cdef struct proxied_t:
    uint8_t ip[16]              # IPv4 in the first four bytes
    uint16_t port               # host order
    uint8_t family              # 4, 6; 0 = the header names nobody (LOCAL, UNSPEC)
    uint8_t reserved

# Whether an address (IPv4: four bytes) lies in one of the networks.
cdef bint proxy2_is_trusted(const snap_net_t* nets, uint32_t n, const uint8_t* ip, bint is_four) noexcept nogil

# Read a header at p. Its length; 0 = there is none; -1 = it cannot be read.
cdef int proxy2_read(const uint8_t* p, uint32_t n_bytes, proxied_t* who) noexcept nogil

# Write a header for a datagram from client to local (same family, IPv4 in the first four bytes). Its length.
cdef uint32_t proxy2_write(
    uint8_t* to, uint8_t family, const uint8_t* client, uint16_t client_port, const uint8_t* local, uint16_t local_port
) noexcept nogil
