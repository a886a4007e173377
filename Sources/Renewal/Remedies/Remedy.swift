/// What to do about a fault: one step, by whom, and what it spends.
package struct Remedy: Hashable, Sendable {
    /// The step itself.
    package enum Step: Hashable, Sendable {
        /// A command line for a root shell. It can be pasted as it is, and changes something.
        case run(String)
        /// What no command can do for everybody, such as an edit of nginx's configuration.
        case `do`(String)

        package var text: String {
            switch self {
            case .run(let text), .do(let text): text
            }
        }
    }

    /// Who takes the step.
    package enum Actor: String, Hashable, Sendable, Codable {
        /// certctl itself, by its next run.
        case certctl
        /// root on this host.
        case root
        /// Somebody elsewhere: at the DNS provider, at the CA, at the router.
        case person
    }

    /// What the step spends of a CA's limits.
    package enum Cost: Int, Hashable, Sendable, Comparable, Codable {
        case free
        /// An order whose validation may fail.
        case validation
        /// A certificate.
        case order

        package static func < (one: Cost, other: Cost) -> Bool { one.rawValue < other.rawValue }
    }

    /// What a program may do about it; a member of `doctor --format json`.
    package enum Action: String, Sendable, CaseIterable, Codable {
        /// Nothing is to be run.
        case none
        /// `certctl deploy`: the disk has what is needed.
        case deploy
        /// `certctl renew`: a new certificate is needed.
        case renew
        /// Somebody has to change something first.
        case `operator`
    }

    package let step: Step
    package let actor: Actor
    package let cost: Cost
    package let action: Action

    private init(_ step: Step, by actor: Actor, cost: Cost, action: Action) {
        (self.step, self.actor, self.cost, self.action) = (step, actor, cost, action)
    }

    /// A command line to paste.
    package static func run(_ command: String, cost: Cost = .free, action: Action = .operator) -> Remedy {
        Remedy(.run(command), by: .root, cost: cost, action: action)
    }

    /// A step that takes somebody's judgement.
    package static func `do`(_ text: String, by actor: Actor = .root, cost: Cost = .free) -> Remedy {
        Remedy(.do(text), by: actor, cost: cost, action: actor == .certctl ? .none : .operator)
    }

    /// `certctl deploy` of some certificates, or of all.
    package static func deploy(_ names: [String] = []) -> Remedy {
        .run(command("deploy", names), action: .deploy)
    }

    /// `certctl renew` of some certificates, or of all that are due.
    package static func renew(_ names: [String] = [], isForced: Bool = false, cost: Cost = .order) -> Remedy {
        .run(command(isForced ? "renew --force" : "renew", names), cost: cost, action: .renew)
    }

    /// `certctl renew` of a certificate that is revoked, with another key.
    package static func replacing(_ name: String) -> Remedy {
        .run(command("renew --force --new-key", [name]), cost: .order, action: .renew)
    }

    private static func command(_ verb: String, _ names: [String]) -> String {
        (["certctl \(verb)"] + names.map(\.shellWord)).joined(separator: " ")
    }

    package var text: String { step.text }

    /// Nil for what is no command.
    package var command: String? { if case .run(let text) = step { text } else { nil } }

    /// `run: …` or `do: …`.
    package var line: String {
        switch step {
        case .run(let text): "run: \(text)"
        case .do(let text): "do: \(text)"
        }
    }
}

extension Remedy {
    /// More names than this are not listed in a command that does without.
    private static let mostNames = 3

    /// One step for several certificates with the same fault; nil where theirs have nothing in common.
    ///
    /// - Parameter steps: each certificate's name and its own remedy.
    package static func joined(_ steps: [(name: String, remedy: Remedy)]) -> Remedy? {
        guard let first = steps.first?.remedy else { return nil }
        if steps.allSatisfy({ $0.remedy == first }) { return first }
        // Commands that differ in the name at their end alone.
        guard let command = first.command, let name = steps.first?.name.shellWord, command.hasSuffix(" \(name)") else {
            return nil
        }
        let verb = command.dropLast(name.count + 1)
        guard steps.allSatisfy({ $0.remedy.command == "\(verb) \($0.name.shellWord)" }) else { return nil }
        // Without a name these are for all that need it.
        let mayBeAll = verb.hasSuffix("certctl deploy") || verb.hasSuffix("certctl renew")
        let takesOne = verb.hasSuffix("certctl repair")
        let names = takesOne || mayBeAll && steps.count > mostNames ? [] : steps.map(\.name.shellWord)
        return Remedy(
            .run(([String(verb)] + names).joined(separator: " ")), by: .root, cost: first.cost, action: first.action)
    }
}
