/// The time that a whole diagnosis has.
struct Budget: Sendable {
    /// At 3 a.m. no operator waits longer; whatever hangs, the rest is printed by then.
    static let whole: Duration = .seconds(30)

    private let end: ContinuousClock.Instant

    init(_ time: Duration = whole) { end = .now + time }

    /// The time for one probe: its own limit, or what is left.
    func time(_ own: Duration) -> Duration { max(.milliseconds(1), min(own, end - .now)) }

    var isOver: Bool { end <= .now }
}
