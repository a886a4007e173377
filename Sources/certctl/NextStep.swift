import Lineages
import Renewal

/// What an operator does about a failure: the second line of an error, from the table of remedies.
enum NextStep {
    /// - Parameter lineage: as far as it is known.
    static func after(_ failure: RenewalFailure, lineage: String) -> String? {
        let cause = RecordedCause(failure.cause)
        // Its own words say all that is known.
        guard cause != .other else { return nil }
        return Fault.renewal(cause, FaultSubject(name: lineage), isRepeated: true).remedy?.text
    }

    static func after(_ problem: LineageProblem, lineage: String) -> String? {
        Fault.lineage(problem.code, FaultSubject(name: lineage)).remedy?.text
    }
}
