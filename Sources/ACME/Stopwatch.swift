/// The time since it was started, on a clock that only goes forward: sleeps and slow answers count alike.
struct Stopwatch: Sendable {
    private let read: @Sendable () -> Duration

    init<C: Clock<Duration>>(_ clock: C) {
        let start = clock.now
        read = { start.duration(to: clock.now) }
    }

    var elapsed: Duration { read() }
}
