import Glibc
import Synchronization

/// A request on its way from the task that waits for it to the loop's thread.
struct Submission: Sendable {
    let id: Int
    let request: HTTPRequest
    /// How errors name the server.
    let host: String
    let continuation: CheckedContinuation<Result<HTTPResponse, HTTPError>, Never>
}

/// Who the client says it is, and whom it trusts: the same for all requests of a transport.
struct ClientIdentity: Sendable {
    let userAgent: String
    /// The path of a PEM file that replaces the system's store.
    let caBundle: String?
}

/// Runs the transfers of one transport, all on the thread that calls `run`.
///
/// Everyone else only leaves notes in the inbox and wakes the thread up.
final class CurlLoop: Sendable {
    private struct Inbox {
        var lastID = 0
        var submissions: [Submission] = []
        var cancellations: [Int] = []
        /// Why nothing is accepted any more.
        var closing: String?
    }

    private let multi: MultiHandle
    private let identity: ClientIdentity
    private let inbox = Mutex(Inbox())

    /// Nil when libcurl cannot be set up.
    init?(identity: ClientIdentity) {
        guard let multi = MultiHandle() else { return nil }
        self.multi = multi
        self.identity = identity
    }

    /// A number for the next request.
    func makeID() -> Int {
        inbox.withLock { inbox in
            inbox.lastID += 1
            return inbox.lastID
        }
    }

    /// Has the request carried out; its continuation is resumed in any case, and once.
    func submit(_ submission: Submission) {
        let closing = inbox.withLock { inbox in
            if inbox.closing == nil { inbox.submissions.append(submission) }
            return inbox.closing
        }
        if let closing {
            submission.fail(.other, closing)
        } else {
            multi.wakeUp()
        }
    }

    /// Ends a submitted request; one that is already done, or unknown, is none of its business.
    func cancel(_ id: Int) {
        inbox.withLock { $0.cancellations.append(id) }
        multi.wakeUp()
    }

    /// Has `run` return soon.
    func close() {
        inbox.withLock { $0.closing = "the HTTP transport is closed" }
        multi.wakeUp()
    }

    /// Carries transfers out until `close`, or until libcurl cannot go on.
    func run() {
        var transfers: [Int: Transfer] = [:]
        while true {
            let (submissions, cancellations, closing) = inbox.withLock { inbox in
                defer { (inbox.submissions, inbox.cancellations) = ([], []) }
                return (inbox.submissions, inbox.cancellations, inbox.closing)
            }
            for submission in submissions { transfers[submission.id] = start(submission) }
            for id in cancellations { end(transfers.removeValue(forKey: id), .cancelled, "") }
            if let closing {
                for transfer in transfers.values { end(transfer, .other, closing) }
                return
            }
            var complaint = multi.perform()
            while let (id, result) = multi.nextFinished() {
                guard let transfer = transfers.removeValue(forKey: id) else { continue }
                transfer.remove(from: multi)
                transfer.submission.continuation.resume(returning: transfer.outcome(result))
            }
            complaint = complaint ?? multi.poll(hasTransfers: !transfers.isEmpty)
            if let complaint { inbox.withLock { $0.closing = "libcurl cannot go on: \(complaint)" } }
        }
    }

    private func start(_ submission: Submission) -> Transfer? {
        do throws(HTTPError) {
            let transfer = try Transfer(submission, identity: identity)
            try transfer.add(to: multi)
            return transfer
        } catch {
            submission.continuation.resume(returning: .failure(error))
            return nil
        }
    }

    private func end(_ transfer: Transfer?, _ kind: HTTPError.Kind, _ detail: String) {
        guard let transfer else { return }
        transfer.remove(from: multi)
        transfer.submission.fail(kind, detail)
    }
}

extension Submission {
    fileprivate func fail(_ kind: HTTPError.Kind, _ detail: String) {
        continuation.resume(returning: .failure(HTTPError(kind: kind, host: host, detail: detail)))
    }
}
