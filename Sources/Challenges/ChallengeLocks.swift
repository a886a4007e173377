/// Keeps lanes that run side by side from changing the same DNS record, or taking the same port, at once.
///
/// Many DNS providers replace what a record holds, and two certificates may be for names with one record between them:
/// `example.org` and `*.example.org`, or what CNAMEs lead to.
package actor ChallengeLocks {
    private struct Waiter {
        let id: Int
        let resources: Set<String>
        let continuation: CheckedContinuation<Bool, Never>
    }

    private var held: Set<String> = []
    private var waiting: [Waiter] = []
    private var lastID = 0

    package init() {}

    /// Waits until all of some resources are free, and takes them at once, so that no two lanes wait for each other.
    ///
    /// - Throws: `CancellationError`; nothing is taken then.
    package func take(_ resources: Set<String>) async throws {
        guard !resources.isEmpty else { return }
        try Task.checkCancellation()
        lastID += 1
        let id = lastID
        let isTaken = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Not past those who wait for one of the same.
                let isFree =
                    held.isDisjoint(with: resources) && waiting.allSatisfy { $0.resources.isDisjoint(with: resources) }
                if isFree, !Task.isCancelled {
                    held.formUnion(resources)
                    continuation.resume(returning: true)
                } else if Task.isCancelled {
                    continuation.resume(returning: false)
                } else {
                    waiting.append(Waiter(id: id, resources: resources, continuation: continuation))
                }
            }
        } onCancel: {
            Task { await self.giveUp(id) }
        }
        guard isTaken else { throw CancellationError() }
    }

    /// Gives back what was taken.
    package func release(_ resources: Set<String>) {
        held.subtract(resources)
        admit()
    }

    private func giveUp(_ id: Int) {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: index).continuation.resume(returning: false)
        admit()
    }

    private func admit() {
        var still: [Waiter] = []
        for waiter in waiting {
            let isFree =
                held.isDisjoint(with: waiter.resources)
                && still.allSatisfy { $0.resources.isDisjoint(with: waiter.resources) }
            if isFree {
                held.formUnion(waiter.resources)
                waiter.continuation.resume(returning: true)
            } else {
                still.append(waiter)
            }
        }
        waiting = still
    }
}
