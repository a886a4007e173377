import Challenges
import FoundationEssentials
import Lineages

/// The stage before the plan, in which CAs are asked when they want certificates renewed (RFC 9773): side by side, over the one
/// connection that a CA's session has.
extension RenewalRun {
    /// What CAs say now, of the lineages that they are to be asked about.
    ///
    /// - Parameter states: what is known of each.
    func suggestions(
        for subjects: [Subject], _ states: [LineageState], _ request: RunRequest
    ) async -> [String: SuggestedRenewal] {
        guard case .renew(isForced: false) = request else { return [:] }
        let due = zip(subjects, states).filter { isToBeAsked($0, $1) }
        let answers = await sideBySide(due.map(\.0.name), most: RenewalRun.mostAsked) { await world.renewalAnswer($0) }
        var suggestions: [String: SuggestedRenewal] = [:]
        for ((subject, state), answer) in zip(due, answers) {
            guard let answer, let leaf = subject.leaf else { continue }
            let suggested = SuggestedRenewal.keeping(
                state.suggested, answer, about: leaf, fraction: world.jitter(), at: world.now)
            suggestions[subject.name] = suggested
            if let page = suggested.explanationURL, page != state.suggestion(for: leaf.sha256)?.explanationURL {
                report(.alarm(name: subject.name, "the CA wants it renewed at a time of its own: see \(page)"))
            }
        }
        return suggestions
    }

    /// When the next run is expected: what a CA suggests before it is done in this one. Nil where that makes no difference to any.
    func nextRun(_ suggestions: [SuggestedRenewal]) async -> Date? {
        let day = world.now.addingTimeInterval(Backoff.day)
        guard suggestions.contains(where: { $0.window.map { $0.moment <= day } ?? false }) else { return nil }
        return await world.nextRun() ?? day
    }

    /// Requests that are under way at once.
    private static let mostAsked = 16

    private func isToBeAsked(_ subject: Subject, _ state: LineageState) -> Bool {
        guard let leaf = subject.leaf, let options = subject.options, options.autorenew, subject.problem == nil,
            subject.reasonUnmanaged == nil, !subject.isCopy, !Task.isCancelled
        else { return false }
        return SuggestedRenewal.isToBeAsked(
            state.suggestion(for: leaf.sha256), about: leaf, notBefore: subject.askNotBefore, at: world.now)
    }
}
