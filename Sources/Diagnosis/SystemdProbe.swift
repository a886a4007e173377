import Deployment
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
            let timer = try await systemd.state(of: unit)
            let service = try await systemd.state(of: unit.replacing(".timer", with: ".service"))
            var certbot: [(unit: String, state: UnitState)] = []
            for name in ["certbot.timer", "snap.certbot.renew.timer"] {
                certbot.append((name, try await systemd.state(of: name)))
            }
            return .success(TimerFacts(timer: timer, service: service, certbot: certbot))
        } catch {
            return .failure(NotAsked(reason: error.description))
        }
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
