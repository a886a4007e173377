package import Testing

/// The rule for what doctor prints: its first remedy, followed as printed again and again, ends in green or with what only a person
/// can do, and nothing is told twice for the same findings.
package struct RemedyLoop {
    /// What one run of doctor says.
    package struct Answer: Sendable {
        package let text: String
        package let status: Int32
        /// Each failure with its certificate.
        package let failures: Set<String>

        package init(text: String, status: Int32, failures: Set<String>) {
            (self.text, self.status, self.failures) = (text, status, failures)
        }

        package var lines: [String] {
            text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        }
    }

    /// Longer ways than this are no remedy for somebody whose site is down.
    package static let mostRounds = 6

    private let fault: String
    private let simulated: [String]
    private let endsWithPerson: Bool
    private let sourceLocation: SourceLocation

    /// - Parameters:
    ///   - simulated: beginnings of commands that cannot be run on the test's host: the fixing step is taken in their place.
    ///   - endsWithPerson: whether it ends with a sentence that says what a person has to do.
    package init(
        _ fault: String, simulated: [String] = [], endsWithPerson: Bool = false, sourceLocation: SourceLocation
    ) {
        (self.fault, self.simulated, self.endsWithPerson) = (fault, simulated, endsWithPerson)
        self.sourceLocation = sourceLocation
    }

    /// Follows doctor from a fault that has been made.
    ///
    /// - Parameters:
    ///   - ask: runs doctor.
    ///   - run: runs a line of shell.
    ///   - fix: the fault's own fixing step, for a line that begins with `do:`; taken once.
    /// - Returns: the rounds that it took, or `a person's task`; nil where the rule is broken, which is recorded.
    package func follow(
        ask: () async throws -> Answer, run: (String) async throws -> Output, fix: (() async throws -> Void)?
    ) async throws -> String? {
        var (told, log, fix): ([String], [String], (() async throws -> Void)?) = ([], [], fix)
        func broken(_ words: String, _ text: String = "") -> String? {
            Issue.record(
                "\(fault): \(words)\n\(log.joined(separator: "\n"))\n\(text)", sourceLocation: sourceLocation)
            return nil
        }
        for round in 0...RemedyLoop.mostRounds {
            let seen = try await ask()
            guard seen.status != 0 else {
                return round == 0 ? broken("doctor sees no fault", seen.text) : "\(round)"
            }
            let line = seen.lines.count > 1 ? seen.lines[1] : ""
            let signature = (seen.failures.sorted() + [line]).joined(separator: "\n")
            log.append("\(seen.lines[0])\n\(line)")
            if told.contains(signature) { return broken("told the same twice", seen.text) }
            told.append(signature)
            if line.hasPrefix("  run: "), case let command = String(line.dropFirst("  run: ".count)),
                !simulated.contains(where: { command.hasPrefix($0) })
            {
                let output = try await run(command)
                log.append("    exit \(output.status): \(output.stdout)\(output.stderr)")
            } else if let step = fix {
                try await step()
                fix = nil
            } else if endsWithPerson {
                return "a person's task"
            } else {
                return broken("nothing left to do", seen.text)
            }
        }
        return broken("not green after \(RemedyLoop.mostRounds) rounds")
    }
}
