# Compile-time bounds, each with its unit and its reason. A bound that users may change stands in the config instead.

cdef enum:
    MAX_WORKERS = 64            # slots; the stand-in mask is one 64-bit word
    MAX_LISTENERS = 1024        # listener ids
    MAX_POOLS = 1024            # pool ids
    MAX_BACKENDS = 65535        # backend ids; 16 bits in a session's list of tried ones
    MAX_SOCKETS = 65536         # socket ids a worker may hold: MAX_WORKERS * MAX_LISTENERS
    MAX_RETRIES = 7             # further candidates per session; MAX_TRIED is one more
    MAX_TRIED = 8
    SHARED_SLOT = 255           # a socket that every worker serves (unix, systemd)

    BUFFER_BYTES = 65536        # one relay read; larger reads gain nothing measurable on loopback
    LARGE_BYTES = 262144        # one relay read of bulk that cannot be spliced
    PIPE_BYTES = 1048576        # one splice; pipe-max-size of pipe(7)
    MAX_PIPES = 4096            # per worker: 4 GiB
    FULL_READS = 2              # in a row, before a direction counts as bulk
    SPLICE_LEAST = 16384        # a splice of fewer bytes ends that
    PIPE_RETRY_MS = 1000        # after the kernel refused a pipe
    SMALL_SEND_BYTES = 512      # less than any segment: Nagle's algorithm lets a first one pass at once
    FASTOPEN_BYTES = 1400       # of the client's, with the SYN: what surely fits one segment
    TURN_BYTES = 1048576        # moved for one direction at one event, then the session queues behind the others
    EVENTS_PER_TURN = 256       # epoll_wait batch
    ACCEPTS_PER_EVENT = 64      # a burst must not starve the sessions that are there
    READS_PER_EVENT = 8         # of 64 KiB, then the session queues behind the others
    QUEUE_PER_TURN = 256        # sessions resumed from the ready queue in one turn
    SWEEP_PER_TURN = 4096       # slab slots looked at per turn by a sweep
    DRAIN_ACCEPTS = 65536       # what a removed listener may still have queued
    ACCEPT_PAUSE_MS = 100       # after EMFILE and its kin
    SUSPICION_MS = 1000         # private distrust after a failed connect
    TURN_MAX_WAIT_MS = 1000     # a sleeping worker still shows a pulse
    SLOW_TURN_US = 10000        # counted, with the stage that took longest
    SPIN_US = 50                # of polling again before a wait
    SPIN_PENALTY_MAX = 255      # waits without it, after it was in vain again and again
    PIPES_PER_UPKEEP = 32       # closed at once
    UPKEEP_MS = 2000            # memory that was not needed for so long goes back
    WHEEL_SLOTS = 4096          # power of two
    WHEEL_WORDS = 64            # WHEEL_SLOTS / 64
    WHEEL_TICK_SHIFT = 4        # 16 ms per slot: one turn of the wheel is 65.5 s
    ACCESS_RECORDS = 8192       # access ring per worker, power of two; 1 MiB
    MAX_PREREAD = 16384         # bytes before the choice; a longer wait helps nobody
    MAX_MESSAGE_FDS = 64        # descriptors in one channel message (kernel limit 253)
    MAX_MESSAGE_IDS = 64
    MESSAGES_PER_EVENT = 64
    QUEUE_FULL_WAIT_MS = 16     # between two tries at a unix backend whose listen queue is full

    MAX_FLOWS = 4194303         # of one UDP listener in one worker; 22 bits in a poller's tag
    KEY_SLICE_BYTES = 32        # of a payload, as a key
    DATAGRAM_BATCH = 64         # recvmmsg, sendmmsg; also what one UDP_SEGMENT send may hold
    DATAGRAM_BYTES = 65536      # one datagram, or one run of them (UDP_GRO); IPv4 allows 65,507
    DATAGRAM_STRIDE = 65856     # between buffers of a batch: not a multiple of a page, so that their heads share no cache set
    BATCHES_PER_EVENT = 8       # then the listener waits for its next turn
    REPLIES_PER_EVENT = 32      # from one backend, then it waits for its next turn
    FLOWS_EXPIRED_PER_TURN = 128    # closing a socket takes microseconds: half a millisecond
    FLOW_TICK_SHIFT = 6         # the flow table's clock ticks every 64 ms
    EVICT_LOOKS = 8             # unreplied flows looked at for one that has been silent
    IDLE_SOCKETS = 64           # upstream sockets kept for reuse, per backend and listener
