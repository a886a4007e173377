import Diagnosis
import FoundationEssentials
import Glibc
import Lineages
import Renewal

/// certbot's lock on the config directory: the holder is named, and on a terminal an operator can stop a run of certctl that holds it.
enum RunLock {
    /// Takes the lock.
    ///
    /// - Parameter state: the state directory, where a run says what it is doing.
    static func take(_ tree: Tree, state: String) throws -> TreeLock {
        do throws(TreeLock.Failure) {
            return try TreeLock(configDirectory: tree.path)
        } catch {
            throw failure(error, holder(tree, state), tree)
        }
    }

    /// Takes the lock. Where a run of certctl holds it, an operator at a terminal is asked whether to stop that.
    ///
    /// - Parameter patience: how long a run that was asked to stop may take, beside its hook: that comes to its end first.
    static func takeOrAsk(
        _ tree: Tree, state: String, _ printer: RunPrinter, patience: Duration
    ) async throws -> TreeLock {
        let refusal: TreeLock.Failure
        do throws(TreeLock.Failure) {
            return try TreeLock(configDirectory: tree.path)
        } catch {
            refusal = error
        }
        let holder = holder(tree, state)
        guard case .held = refusal, let holder, holder.endsInGoodOrder, StandardError.canAsk,
            StandardError.ask("\(text(holder, tree)). Stop it in good order, and go on then? [y/N] ")
        else { throw failure(refusal, holder, tree) }
        try stop(holder, tree, state)
        printer.remark("waiting until process \(holder.pid) has ended: a hook that runs comes to its end first")
        let deadline = ContinuousClock.now + patience
        while true {
            do throws(TreeLock.Failure) {
                return try TreeLock(configDirectory: tree.path)
            } catch {
                let current = self.holder(tree, state)
                // Another one may have been faster.
                let isOther = current.map { $0.pid != holder.pid } ?? false
                guard case .held = error, !isOther, ContinuousClock.now < deadline else {
                    throw failure(error, current, tree)
                }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Asks the holder to stop, unless it has ended while the operator was asked.
    private static func stop(_ holder: LockHolder, _ tree: Tree, _ state: String) throws {
        guard self.holder(tree, state)?.pid == holder.pid else { return }
        guard kill(holder.pid, SIGTERM) != 0, errno != ESRCH else { return }
        throw CommandFailure(
            .configuration, "process \(holder.pid) cannot be stopped: \(unsafe String(cString: strerror(errno)))",
            next: "run it as root")
    }

    private static func lockPath(_ tree: Tree) -> String { "\(tree.path)/\(TreeLock.fileName)" }

    private static func text(_ holder: LockHolder, _ tree: Tree) -> String {
        "\(lockPath(tree)) is locked by \(holder.text(at: Date.now))"
    }

    private static func holder(_ tree: Tree, _ state: String) -> LockHolder? {
        LockFacts.look(at: lockPath(tree), stateDirectory: state).holder
    }

    private static func failure(_ failure: TreeLock.Failure, _ holder: LockHolder?, _ tree: Tree) -> CommandFailure {
        switch failure {
        case .held:
            CommandFailure(
                .tryLater, holder.map { text($0, tree) } ?? "\(failure)",
                next: "run it again when that process has ended")
        case .file(let file) where file.isNotFound:
            CommandFailure(Tree.Failure.unreadable(FileError("read", tree.path, because: "there is no such directory")))
        case .file(let file):
            CommandFailure(
                .configuration, "\(file)",
                next: file.isPermission ? "run it as root" : "make the config directory writable")
        }
    }
}
