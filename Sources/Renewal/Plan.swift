package import FoundationEssentials
import Lineages
import PKI

/// What a run does with one lineage, decided before anything is done: by what the config directory says, what is known, and the clock.
package struct Plan: Equatable, Sendable {
    package enum Acquire: Equatable, Sendable {
        /// Nothing is needed.
        case nothing
        /// It failed before, and its time has not come.
        case wait(until: Date, Cause)
        /// Something is ordered, or taken up where an earlier run left it.
        case order(Need, because: String)
    }
    package enum RollOut: Equatable, Sendable {
        /// Nothing is to be done.
        case nothing
        /// Endpoints are probed first: somebody else has installed it, or an earlier run has left it unfinished.
        case probe
        /// Every hook runs.
        case all
        /// An earlier run was rolling back to the predecessor.
        case goBack
        /// What is quarantined is installed once more.
        case reinstall
        /// What is quarantined stays so until then.
        case quarantined(until: Date)
    }

    package var acquire = Acquire.nothing
    /// Whether the policy wants the certificate, operator or not.
    var isDue = false
    /// Whether it would not, had the CA suggested nothing.
    var isOnlySuggested = false
    package var rollOut = RollOut.nothing
    /// What the run says of the lineage where nothing else comes of it.
    package var outcome: LineageOutcome
    /// Said at once.
    var remarks: [String] = []
    /// What was begun is given up first.
    var endsAcquisition = false
}
