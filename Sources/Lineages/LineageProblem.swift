import Text

/// Something that is wrong with a lineage, for an operator to read and for a program to tell by its code.
package struct LineageProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// Stable names: they are part of `status --format json`.
    package enum Code: String, Sendable, CaseIterable {
        /// The renewal conf cannot be read.
        case confUnreadable = "conf-unreadable"
        /// The renewal conf is empty or breaks the dialect.
        case confMalformed = "conf-malformed"
        /// The renewal conf lacks what certbot needs.
        case confIncomplete = "conf-incomplete"
        /// The renewal conf leads to where the tree was before, which does not exist.
        case movedTree = "moved-tree"
        /// The renewal conf leads to files of another tree, a copied one's mostly.
        case anotherTree = "another-tree"
        /// An option has a value that stops a renewal.
        case optionInvalid = "option-invalid"
        /// An option is set that certctl does not act on.
        case optionIgnored = "option-ignored"
        /// A known option stands in a section where it means nothing.
        case optionMisplaced = "option-misplaced"
        /// A key is no option, and nearly one.
        case optionMisspelled = "option-misspelled"
        /// renew_before_expiry is no time span.
        case renewBeforeExpiry = "renew-before-expiry"
        /// A link in live/ is not there, or points to nothing.
        case liveMissing = "live-missing"
        /// A path in live/ is not a link.
        case liveNotALink = "live-not-a-link"
        /// The links in live/ point to different versions, or out of the lineage's archive.
        case liveInconsistent = "live-inconsistent"
        /// A file that live/ leads to cannot be read.
        case unreadable
        /// The certificate is not one.
        case certificateMalformed = "certificate-malformed"
        /// The private key is not one, or encrypted.
        case keyMalformed = "key-malformed"
        /// The private key is for another certificate.
        case keyMismatch = "key-mismatch"
        /// fullchain.pem does not begin with the certificate of cert.pem.
        case fullchainMismatch = "fullchain-mismatch"
        /// The installed certificate is revoked.
        case revoked
        /// The installed certificate goes without names that are wanted.
        case namesOmitted = "names-omitted"
        /// A hook has failed for the live version.
        case hookFailed = "hook-failed"
        /// A renewal has failed.
        case renewalFailed = "renewal-failed"
        /// A listener serves something else than the live version.
        case servedWrongly = "served-wrongly"
        /// archive/ has a complete version above the live one.
        case newerVersion = "newer-version"
        /// archive/ has a version above the live one whose files are damaged: certbot would install it.
        case archiveDamaged = "archive-damaged"
    }

    package let code: Code
    /// What is wrong, lower case, in one line.
    package let message: String
    /// Whether the lineage is broken by it: shown as such, and not renewed.
    package let isFatal: Bool
    /// The line of the renewal conf that it is about, from 1.
    package let line: Int?

    package init(_ code: Code, _ message: String, isFatal: Bool = true, line: Int? = nil) {
        // Much of it is what a file says.
        (self.code, self.message) = (code, message.line(atMost: PlainText.longestSentence))
        (self.isFatal, self.line) = (isFatal, line)
    }

    /// Whether ``Tree/repairPlan(for:views:served:barred:at:)`` may have an answer to it.
    package var isRepairable: Bool {
        switch code {
        case .confUnreadable, .confMalformed, .confIncomplete, .movedTree, .liveMissing, .liveNotALink,
            .liveInconsistent, .unreadable, .certificateMalformed, .keyMalformed, .keyMismatch, .fullchainMismatch,
            .newerVersion, .archiveDamaged:
            true
        case .anotherTree, .optionInvalid, .optionIgnored, .optionMisplaced, .optionMisspelled, .renewBeforeExpiry,
            .revoked, .namesOmitted, .hookFailed, .renewalFailed, .servedWrongly:
            false
        }
    }

    package var description: String { message }
}
