"""Wheel: every deadline of a worker."""

from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.limits cimport WHEEL_SLOTS, WHEEL_TICK_SHIFT, WHEEL_WORDS

cdef extern from *:
    int ctz64 "__builtin_ctzll"(unsigned long long x) nogil


cdef inline void node_join(wheel_node_t* head, wheel_node_t* node) noexcept nogil:
    node.prev = head.prev
    node.next = head
    head.prev.next = node
    head.prev = node


cdef inline void node_part(wheel_node_t* node) noexcept nogil:
    node.prev.next = node.next
    node.next.prev = node.prev
    node.next = NULL
    node.prev = NULL


cdef void wheel_open(wheel_t* wheel, uint64_t now_ms) noexcept nogil:
    cdef uint32_t i
    wheel.tick = now_ms >> WHEEL_TICK_SHIFT
    wheel.n_armed = 0
    wheel.due.next = &wheel.due
    wheel.due.prev = &wheel.due
    for i in range(WHEEL_SLOTS):
        wheel.slots[i].next = &wheel.slots[i]
        wheel.slots[i].prev = &wheel.slots[i]
    for i in range(WHEEL_WORDS):
        wheel.is_filled[i] = 0


cdef void wheel_arm(wheel_t* wheel, wheel_node_t* node, uint64_t deadline_ms) noexcept nogil:
    cdef uint64_t tick = (deadline_ms + (1 << WHEEL_TICK_SHIFT) - 1) >> WHEEL_TICK_SHIFT
    cdef uint32_t slot
    if wheel_is_armed(node):
        wheel_disarm(wheel, node)
    if tick < wheel.tick:
        tick = wheel.tick
    slot = tick & (WHEEL_SLOTS - 1)
    node.deadline_ms = deadline_ms
    node_join(&wheel.slots[slot], node)
    wheel.is_filled[slot >> 6] |= <uint64_t>1 << (slot & 63)
    wheel.n_armed += 1


cdef void wheel_disarm(wheel_t* wheel, wheel_node_t* node) noexcept nogil:
    cdef wheel_node_t* head = node.next
    cdef uint64_t slot
    if not wheel_is_armed(node):
        return
    if head == node.prev and head != &wheel.due:    # the last of its slot
        slot = <uint64_t>(head - &wheel.slots[0])
        wheel.is_filled[slot >> 6] &= ~(<uint64_t>1 << (slot & 63))
    node_part(node)
    wheel.n_armed -= 1


cdef void slot_gather(wheel_t* wheel, uint32_t slot, uint64_t tick) noexcept nogil:
    cdef wheel_node_t* head = &wheel.slots[slot]
    cdef wheel_node_t* node = head.next
    cdef wheel_node_t* after
    cdef uint64_t limit_ms = tick << WHEEL_TICK_SHIFT
    while node != head:
        after = node.next
        if node.deadline_ms <= limit_ms:
            node_part(node)
            node_join(&wheel.due, node)
        node = after
    if head.next == head:
        wheel.is_filled[slot >> 6] &= ~(<uint64_t>1 << (slot & 63))


cdef void wheel_advance(wheel_t* wheel, uint64_t now_ms) noexcept nogil:
    cdef uint64_t last = now_ms >> WHEEL_TICK_SHIFT
    cdef uint64_t tick = wheel.tick
    cdef uint32_t slot
    if last < tick:
        return
    if last - tick >= WHEEL_SLOTS:  # a long gap: one revolution sees every slot, each judged by the last tick
        tick = last - WHEEL_SLOTS + 1
    while tick <= last:
        slot = tick & (WHEEL_SLOTS - 1)
        if wheel.is_filled[slot >> 6] & (<uint64_t>1 << (slot & 63)):
            slot_gather(wheel, slot, last)
        tick += 1
    wheel.tick = last + 1


cdef wheel_node_t* wheel_take_due(wheel_t* wheel) noexcept nogil:
    cdef wheel_node_t* node = wheel.due.next
    if node == &wheel.due:
        return NULL
    node_part(node)
    wheel.n_armed -= 1
    return node


cdef uint32_t wheel_wait_ms(const wheel_t* wheel, uint64_t now_ms, uint32_t max_ms) noexcept nogil:
    cdef uint64_t tick = wheel.tick
    cdef uint64_t end = tick + WHEEL_SLOTS
    cdef uint64_t word, at_ms
    cdef uint32_t slot
    if wheel.due.next != &wheel.due:
        return 0
    if wheel.n_armed == 0:
        return max_ms
    while tick < end:
        slot = tick & (WHEEL_SLOTS - 1)
        word = wheel.is_filled[slot >> 6] >> (slot & 63)
        if word:
            tick += ctz64(word)
            at_ms = tick << WHEEL_TICK_SHIFT
            if at_ms <= now_ms:
                return 0
            return max_ms if at_ms - now_ms > max_ms else <uint32_t>(at_ms - now_ms)
        if (tick << WHEEL_TICK_SHIFT) > now_ms + max_ms:
            break
        tick += 64 - (slot & 63)
    return max_ms
