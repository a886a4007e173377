import Deployment
import FoundationEssentials
import Renewal
import Setup

/// Why there is no answer.
struct NotAsked: Error, Equatable, Sendable {
    let reason: String
}

/// Asks systemd about the units that renew, and about the clock.
struct SystemdProbe: Sendable {
    let runner: any CommandRunner
    let systemctl: String

    static let timeout: Duration = .seconds(5)

    init(runner: any CommandRunner = SubprocessRunner(), systemctl: String = "/usr/bin/systemctl") {
        (self.runner, self.systemctl) = (runner, systemctl)
    }

    func timers(_ unit: String) async -> Result<TimerFacts, NotAsked> {
        let systemd = Systemd(runner: runner, systemctl: systemctl)
        do throws(Systemd.Absent) {
            let serviceName = Systemd.service(of: unit)
            let timer = try await systemd.state(of: unit)
            let service = try await systemd.state(of: serviceName)
            var certbot: [(unit: String, state: UnitState)] = []
            for name in ["certbot.timer", "snap.certbot.renew.timer"] {
                certbot.append((name, try await systemd.state(of: name)))
            }
            var facts = TimerFacts(timer: timer, service: service, certbot: certbot)
            facts.lines = UnitLines(service.files)
            for (name, state) in [(unit, timer), (serviceName, service)] where state.isBroken {
                (facts.complaint, facts.complaintFile) = await complaint(about: name, state.files)
            }
            if service.hasFailed {
                facts.words = await words(of: serviceName, since: service.mainStart)
            }
            return .success(facts)
        } catch {
            return .failure(NotAsked(reason: error.description))
        }
    }

    /// What systemd-analyze says of a unit's files, and the first of them that it names.
    private func complaint(about unit: String, _ files: [String]) async -> (String?, UnitFile?) {
        let outcome = await runner.run(
            Command(
                executable: "/usr/bin/systemd-analyze", arguments: ["verify", unit], environment: ["LC_ALL": "C.UTF-8"]),
            timeout: SystemdProbe.timeout)
        for line in outcome.output.split(separator: "\n") {
            // FILE:LINE: what is wrong
            for file in files where line.hasPrefix("\(file):") {
                let rest = line.dropFirst(file.count + 1)
                let number = rest.prefix { $0.isNumber }
                return (String(line), UnitFile(place: number.isEmpty ? file : "\(file):\(number)", line: ""))
            }
        }
        return (outcome.lastLine, nil)
    }

    /// The last error of a service's last run in the journal: its own, else what systemd says of it.
    private func words(of service: String, since start: Date?) async -> String? {
        let since = start.map { ["--since=@\(Int($0.timeIntervalSince1970))"] } ?? []
        let outcome = await runner.run(
            Command(
                executable: "/usr/bin/journalctl",
                arguments: [
                    "--unit=\(service)", "--priority=err", "--lines=20", "--output=cat", "--no-pager", "--quiet",
                ] + since,
                environment: ["LC_ALL": "C.UTF-8"]), timeout: SystemdProbe.timeout)
        guard outcome.succeeded else { return nil }
        let lines = outcome.output.split(separator: "\n").map(String.init)
        return (lines.last { !$0.hasPrefix("Failed to start ") } ?? lines.last).map { String($0.prefix(300)) }
    }

    /// Nil where it is not known.
    func isClockSynchronized() async -> Bool? {
        let command = Command(
            executable: "/usr/bin/timedatectl", arguments: ["show", "--property=NTPSynchronized", "--value"],
            environment: ["LC_ALL": "C.UTF-8"])
        let outcome = await runner.run(command, timeout: SystemdProbe.timeout)
        guard outcome.succeeded else { return nil }
        return switch outcome.lastLine {
        case "yes": true
        case "no": false
        default: nil
        }
    }
}
