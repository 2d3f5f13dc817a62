"""Dgram: datagrams, many per call."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport (
    CMSG_DATA, CMSG_FIRSTHDR, CMSG_LEN, CMSG_NXTHDR, CMSG_SPACE, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, IP_PKTINFO,
    IPV6_PKTINFO, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOL_SOCKET, SO_RXQ_OVFL,
    UDP_GRO, UDP_SEGMENT, c_recv, c_recvmmsg, c_send, c_sendmmsg, c_sendmsg, c_socket, cmsghdr, errno, in6_pktinfo,
    in_pktinfo, iovec, likely, mmsghdr, msghdr, sockaddr_storage,
)
from nginy._fast.base.limits cimport DATAGRAM_BATCH, DATAGRAM_BYTES, DATAGRAM_STRIDE


cdef void batch_open(batch_t* b, uint8_t* bytes) noexcept nogil:
    cdef uint32_t i
    b.n_messages = b.n_parts = 0
    b.bytes = bytes
    for i in range(DATAGRAM_BATCH):
        memset(&b.messages[i], 0, sizeof(mmsghdr))
        b.parts[i].iov_base = b.bytes + i * DATAGRAM_STRIDE
        b.messages[i].msg_hdr.msg_name = &b.names[i]
        b.messages[i].msg_hdr.msg_control = &b.controls[i]


cdef int dgram_open(int family) noexcept nogil:
    cdef int fd = c_socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    return -errno if fd < 0 else fd


# ---- receiving ----

cdef int dgram_receive(int fd, batch_t* b, uint32_t n) noexcept nogil:
    cdef msghdr* h
    cdef uint32_t i
    cdef int got
    for i in range(n):          # the kernel writes over all of these
        b.parts[i].iov_len = DATAGRAM_BYTES
        h = &b.messages[i].msg_hdr
        h.msg_namelen = sizeof(sockaddr_storage)
        h.msg_iov = &b.parts[i]
        h.msg_iovlen = 1
        h.msg_controllen = sizeof(control_t)
    got = c_recvmmsg(fd, b.messages, n, MSG_DONTWAIT, NULL)
    return -errno if got < 0 else got


cdef void arrival_read(arrival_t* a, cmsghdr* c) noexcept nogil:
    cdef const unsigned char* data = CMSG_DATA(c)
    if c.cmsg_level == IPPROTO_IP and c.cmsg_type == IP_PKTINFO:
        memcpy(a.local, &(<const in_pktinfo*>data).ipi_spec_dst, 4)
        a.local_bytes = 4
    elif c.cmsg_level == IPPROTO_IPV6 and c.cmsg_type == IPV6_PKTINFO:
        memcpy(a.local, &(<const in6_pktinfo*>data).ipi6_addr, 16)
        a.local_bytes = 16
    elif c.cmsg_level == IPPROTO_UDP and c.cmsg_type == UDP_GRO:
        a.segment = <uint32_t>(<const int*>data)[0]
    elif c.cmsg_level == SOL_SOCKET and c.cmsg_type == SO_RXQ_OVFL:
        a.overflow = (<const uint32_t*>data)[0]
        a.has_overflow = True


cdef void dgram_arrival(const batch_t* b, uint32_t i, arrival_t* out) noexcept nogil:
    cdef msghdr* h = <msghdr*>&b.messages[i].msg_hdr
    cdef cmsghdr* c
    memset(out, 0, sizeof(arrival_t))
    out.is_truncated = h.msg_flags & MSG_TRUNC != 0
    if likely(h.msg_controllen == 0):
        return
    c = CMSG_FIRSTHDR(h)
    while c != NULL:
        arrival_read(out, c)
        c = CMSG_NXTHDR(h, c)


cdef int dgram_take(int fd, batch_t* b, uint32_t n, uint32_t* sizes) noexcept nogil:
    cdef mmsghdr messages[DATAGRAM_BATCH]
    cdef ssize_t one
    cdef uint32_t i
    cdef int got
    if n == 1:
        one = c_recv(fd, b.parts[b.n_parts].iov_base, DATAGRAM_BYTES, MSG_DONTWAIT)
        if one < 0:
            return -errno
        sizes[0] = <uint32_t>one
        return 1
    memset(messages, 0, n * sizeof(mmsghdr))
    for i in range(n):
        b.parts[b.n_parts + i].iov_len = DATAGRAM_BYTES
        messages[i].msg_hdr.msg_iov = &b.parts[b.n_parts + i]
        messages[i].msg_hdr.msg_iovlen = 1
    got = c_recvmmsg(fd, messages, n, MSG_DONTWAIT, NULL)
    if got < 0:
        return -errno
    for i in range(<uint32_t>got):
        sizes[i] = messages[i].msg_len
    return got


# ---- sending ----

cdef ssize_t dgram_send(int fd, const uint8_t* bytes, size_t n_bytes) noexcept nogil:
    cdef ssize_t sent = c_send(fd, bytes, n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL)
    return -errno if sent < 0 else sent


cdef size_t segment_put(cmsghdr* c, uint16_t segment) noexcept nogil:
    c.cmsg_level = IPPROTO_UDP
    c.cmsg_type = UDP_SEGMENT
    c.cmsg_len = CMSG_LEN(sizeof(uint16_t))
    memcpy(CMSG_DATA(c), &segment, sizeof(uint16_t))
    return CMSG_SPACE(sizeof(uint16_t))


cdef ssize_t dgram_send_run(int fd, iovec* parts, uint32_t n_parts, uint16_t segment) noexcept nogil:
    cdef control_t control
    cdef msghdr m
    cdef ssize_t sent
    memset(&m, 0, sizeof(m))
    memset(&control, 0, sizeof(control))
    m.msg_iov = parts
    m.msg_iovlen = n_parts
    if segment:
        m.msg_control = &control
        m.msg_controllen = segment_put(<cmsghdr*>&control, segment)
    sent = c_sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL)
    return -errno if sent < 0 else sent


cdef size_t local_put(cmsghdr* c, const uint8_t* local, uint32_t local_bytes) noexcept nogil:
    cdef in_pktinfo four
    cdef in6_pktinfo six
    if local_bytes == 4:
        memset(&four, 0, sizeof(four))
        memcpy(&four.ipi_spec_dst, local, 4)
        c.cmsg_level = IPPROTO_IP
        c.cmsg_type = IP_PKTINFO
        c.cmsg_len = CMSG_LEN(sizeof(four))
        memcpy(CMSG_DATA(c), &four, sizeof(four))
        return CMSG_SPACE(sizeof(four))
    memset(&six, 0, sizeof(six))
    memcpy(&six.ipi6_addr, local, 16)
    c.cmsg_level = IPPROTO_IPV6
    c.cmsg_type = IPV6_PKTINFO
    c.cmsg_len = CMSG_LEN(sizeof(six))
    memcpy(CMSG_DATA(c), &six, sizeof(six))
    return CMSG_SPACE(sizeof(six))


cdef void dgram_add(
    batch_t* b, uint32_t n_parts, uint32_t name_bytes, uint16_t segment, const uint8_t* local, uint32_t local_bytes
) noexcept nogil:
    cdef msghdr* h = &b.messages[b.n_messages].msg_hdr
    cdef uint8_t* control = <uint8_t*>&b.controls[b.n_messages]
    cdef size_t n = 0
    h.msg_namelen = name_bytes
    h.msg_iov = &b.parts[b.n_parts]
    h.msg_iovlen = n_parts
    if local_bytes:
        n = local_put(<cmsghdr*>control, local, local_bytes)
    if segment:
        n += segment_put(<cmsghdr*>(control + n), segment)
    h.msg_controllen = n
    b.n_messages += 1
    b.n_parts += n_parts


cdef int dgram_flush(int fd, batch_t* b, uint32_t first) noexcept nogil:
    cdef int sent = c_sendmmsg(fd, &b.messages[first], b.n_messages - first, MSG_DONTWAIT | MSG_NOSIGNAL)
    return -errno if sent < 0 else sent


cdef uint32_t dgram_send_parts(int fd, batch_t* b, uint32_t message, int* status) noexcept nogil:
    cdef msghdr one = b.messages[message].msg_hdr
    cdef uint32_t n_lost = 0
    cdef size_t i
    cdef size_t n = one.msg_iovlen
    cdef iovec* parts = one.msg_iov
    one.msg_controllen -= CMSG_SPACE(sizeof(uint16_t))      # the segment size stands last
    one.msg_iovlen = 1
    for i in range(n):
        one.msg_iov = &parts[i]
        if c_sendmsg(fd, &one, MSG_DONTWAIT | MSG_NOSIGNAL) < 0:
            status[0] = -errno
            n_lost += 1
    return n_lost
