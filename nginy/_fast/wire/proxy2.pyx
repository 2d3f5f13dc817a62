"""Proxy2: whom a datagram is from, told by a proxy in front."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memset
from nginy._fast.base.layout cimport snap_net_t

cdef enum:
    SIGNATURE_BYTES = 12
    HEAD_BYTES = 16             # signature, version and command, family and transport, length
    VERSION = 0x20
    COMMAND_LOCAL = 0
    COMMAND_PROXY = 1
    TRANSPORT_DGRAM = 2
    FAMILY_INET = 0x10
    FAMILY_INET6 = 0x20
    INET_BYTES = 12
    INET6_BYTES = 36

cdef const uint8_t* SIGNATURE = <const uint8_t*>b"\r\n\r\n\x00\r\nQUIT\n"


cdef bint is_within(const snap_net_t* net, const uint8_t* ip) noexcept nogil:
    cdef uint32_t n = net.n_bits // 8
    cdef uint32_t rest = net.n_bits % 8
    if memcmp(net.address, ip, n) != 0:
        return False
    return rest == 0 or ((net.address[n] ^ ip[n]) >> (8 - rest)) == 0


cdef bint proxy2_is_trusted(const snap_net_t* nets, uint32_t n, const uint8_t* ip, bint is_four) noexcept nogil:
    cdef uint8_t mapped[16]
    cdef uint32_t i
    if is_four:
        memset(mapped, 0, 16)
        mapped[10] = mapped[11] = 0xff
        memcpy(&mapped[12], ip, 4)
    else:
        memcpy(mapped, ip, 16)
    for i in range(n):
        if is_within(&nets[i], mapped):
            return True
    return False


cdef inline uint16_t big16(const uint8_t* p) noexcept nogil:
    return <uint16_t>(p[0] << 8 | p[1])


cdef int proxy2_read(const uint8_t* p, uint32_t n_bytes, proxied_t* who) noexcept nogil:
    cdef uint32_t n, family
    who.family = 0
    if n_bytes < SIGNATURE_BYTES or memcmp(p, SIGNATURE, SIGNATURE_BYTES) != 0:
        return 0
    if n_bytes < HEAD_BYTES or p[12] & 0xf0 != VERSION or p[12] & 0x0f > COMMAND_PROXY:
        return -1
    n = big16(p + 14)
    if HEAD_BYTES + n > n_bytes:
        return -1
    family = p[13] & 0xf0
    if p[12] & 0x0f == COMMAND_LOCAL or family == 0:
        return <int>(HEAD_BYTES + n)
    if p[13] & 0x0f != TRANSPORT_DGRAM:
        return -1
    memset(who.ip, 0, 16)
    if family == FAMILY_INET and n >= INET_BYTES:
        memcpy(who.ip, p + HEAD_BYTES, 4)
        who.port = big16(p + HEAD_BYTES + 8)
        who.family = 4
    elif family == FAMILY_INET6 and n >= INET6_BYTES:
        memcpy(who.ip, p + HEAD_BYTES, 16)
        who.port = big16(p + HEAD_BYTES + 32)
        who.family = 6
    else:
        return -1
    return <int>(HEAD_BYTES + n)


cdef uint32_t proxy2_write(
    uint8_t* to, uint8_t family, const uint8_t* client, uint16_t client_port, const uint8_t* local, uint16_t local_port
) noexcept nogil:
    cdef uint32_t ip_bytes = 16 if family == 6 else 4
    cdef uint32_t n = 2 * ip_bytes + 4
    cdef uint8_t* at = to + HEAD_BYTES
    memcpy(to, SIGNATURE, SIGNATURE_BYTES)
    to[12] = VERSION | COMMAND_PROXY
    to[13] = (FAMILY_INET6 if family == 6 else FAMILY_INET) | TRANSPORT_DGRAM
    to[14] = 0
    to[15] = <uint8_t>n
    memcpy(at, client, ip_bytes)
    memcpy(at + ip_bytes, local, ip_bytes)
    at += 2 * ip_bytes
    at[0] = <uint8_t>(client_port >> 8)
    at[1] = <uint8_t>client_port
    at[2] = <uint8_t>(local_port >> 8)
    at[3] = <uint8_t>local_port
    return HEAD_BYTES + n
