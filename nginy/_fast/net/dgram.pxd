# Datagrams in batches: recvmmsg(2), sendmmsg(2), runs of equal size as one call (UDP_SEGMENT, UDP_GRO; udp(7)).
# None of these blocks. All return >= 0 or -errno. A batch belongs to one worker and holds nothing between two turns.
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from nginy._fast.base.cdefs cimport EAGAIN, ENOBUFS, iovec, mmsghdr, sockaddr_storage
from nginy._fast.base.limits cimport DATAGRAM_BATCH

cdef enum:
    BATCH_BYTES = 4214784       # DATAGRAM_BATCH * DATAGRAM_STRIDE
    RUN_BYTES = 65000           # payload of one UDP_SEGMENT send, whatever headers come before it
    CONTROL_WORDS = 16          # room for a packet info, a segment size and a drop count

cdef struct control_t:          # aligned as control messages want it
    size_t words[CONTROL_WORDS]

cdef struct batch_t:
    uint8_t* bytes              # borrowed; DATAGRAM_BATCH buffers, DATAGRAM_STRIDE apart
    uint32_t n_messages
    uint32_t n_parts            # buffers in use; a message has one or more of them in a row
    mmsghdr messages[DATAGRAM_BATCH]
    iovec parts[DATAGRAM_BATCH]
    sockaddr_storage names[DATAGRAM_BATCH]
    control_t controls[DATAGRAM_BATCH]

cdef struct arrival_t:          # what came with a datagram
    uint8_t local[16]           # address that was asked; zero when not told
    uint32_t local_bytes        # 4, 16, 0 = not told
    uint32_t segment            # bytes of each datagram of a run but the last; 0 = not a run
    uint32_t overflow           # datagrams that this socket has dropped so far
    bint has_overflow
    bint is_truncated

# Use these buffers: BATCH_BYTES of them.
cdef void batch_open(batch_t* b, uint8_t* bytes) noexcept nogil

# Up to n datagrams of an unconnected socket, with their senders; b is overwritten. How many, or -errno.
cdef int dgram_receive(int fd, batch_t* b, uint32_t n) noexcept nogil

# What message i of a dgram_receive carried beside its bytes.
cdef void dgram_arrival(const batch_t* b, uint32_t i, arrival_t* out) noexcept nogil

# Up to n datagrams of a connected socket into free buffers of b, from n_parts on; the caller adds what it keeps.
# is_run: control messages are looked for (UDP_GRO is on). How many, or -errno. sizes: bytes of each.
cdef int dgram_take(int fd, batch_t* b, uint32_t n, uint32_t* sizes) noexcept nogil

# No room to send now.
cdef inline bint dgram_is_full(ssize_t status) noexcept nogil:
    return status == -EAGAIN or status == -ENOBUFS

# A connected datagram socket: 0 or -errno.
cdef int dgram_open(int family) noexcept nogil

# One datagram, or a run of datagrams of `segment` bytes each (the last may be shorter) in n_parts buffers.
cdef ssize_t dgram_send(int fd, const uint8_t* bytes, size_t n_bytes) noexcept nogil
cdef ssize_t dgram_send_run(int fd, iovec* parts, uint32_t n_parts, uint16_t segment) noexcept nogil

# Add a message to b: n_parts buffers from the first unused one on, n_bytes in all. segment > 0: they are a run.
# local_bytes 4 or 16: it leaves from this address. The caller has filled names[b.n_messages] (name_bytes).
cdef void dgram_add(
    batch_t* b, uint32_t n_parts, uint32_t name_bytes, uint16_t segment, const uint8_t* local, uint32_t local_bytes
) noexcept nogil

# Send messages [first, n_messages). How many went, or -errno when none did.
cdef int dgram_flush(int fd, batch_t* b, uint32_t first) noexcept nogil

# The parts of one message as datagrams of their own, when the way takes no runs. How many did not go.
cdef uint32_t dgram_send_parts(int fd, batch_t* b, uint32_t message, int* status) noexcept nogil
