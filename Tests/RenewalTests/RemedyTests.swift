import ACME
import Challenges
import Lineages
import PKI
import Testing

@testable import Renewal

/// The table of faults and remedies, and how causes become values.
struct RemedyTests {
    private func refused(_ type: String?, _ detail: String, status: Int? = nil) -> RecordedCause {
        RecordedCause(
            Cause(ACMEError.refused(Problem(type: type, detail: detail).with(status: status), retryAfter: nil)))
    }

    @Test func `a CA's refusal is kept by its type, and a pause by the page that ends it`() {
        #expect(refused("rateLimited", "too many certificates") == .refused(type: "rateLimited"))
        #expect(refused(nil, "slow down", status: 429) == .refused(type: "rateLimited"))
        let url = "https://ca.example/sfe/v1/unpause?jwt=x.y.z"
        #expect(refused("rateLimited", "temporarily prevented. Please visit: \(url).") == .paused(url: url))
        #expect(
            refused("userActionRequired", "agree at https://ca.example/terms")
                == .termsChanged(url: "https://ca.example/terms"))
        #expect(RecordedCause(Cause(ACMEError.unknownAccount(url: "x"))) == .account(server: nil))
        #expect(RecordedCause(Cause(WebrootSolver.Failure.missing("/w"))) == .webroot(path: nil))
        #expect(RecordedCause(Cause(FileError("write", "/x", because: "y"))) == .file(path: "/x", code: 0))
    }

    @Test func `what spends from a CA's limits says so, and waiting is certctl's own`() {
        let subject = FaultSubject(name: "a.example")
        #expect(Fault.expired(name: "a.example").remedy?.cost == .order)
        #expect(Fault.renewal(.notValidated(types: []), subject, isRepeated: false).remedy?.cost == .validation)
        #expect(Fault.rateLimited.remedy?.actor == .certctl && Fault.rateLimited.remedy?.action == Remedy.Action.none)
        #expect(Fault.renewal(.paused(url: "https://x/unpause"), subject, isRepeated: false).remedy?.actor == .person)
        #expect(Fault.served(name: "a.example", tried: false, restart: nil).remedy?.action == .deploy)
    }

    @Test func `a web server is started by what runs it, and not again where that has failed`() {
        func remedy(_ server: StoppedServer) -> String? { Fault.httpNotListening(server).remedy?.line }
        #expect(remedy(.unit(isFailed: false, isMasked: false)) == "run: systemctl start nginx")
        #expect(
            remedy(.unit(isFailed: true, isMasked: false))?.hasPrefix("do: correct what journalctl -u nginx") == true)
        #expect(
            remedy(.unit(isFailed: false, isMasked: true)) == "run: systemctl unmask nginx && systemctl start nginx")
        #expect(remedy(.container)?.contains("docker compose up -d") == true)
        #expect(remedy(.unknown)?.hasPrefix("do: start the web server") == true)
        #expect(Fault.containerStopped(name: "web", isPaused: false).remedy?.command == "docker start web")
        #expect(Fault.containerEnds(name: "web").remedy?.command == nil)
    }

    @Test func `a wildcard is issued again as its renewal config proves it, else with the option that is missing`() {
        let names = ["*.a.example", "a.example"].compactMap { SubjectName($0) }
        func remedy(isProvable: Bool) -> Remedy {
            FaultSubject(name: "a.example", conf: "/c", live: "/l", names: names, isProvable: isProvable).reissue()
        }
        #expect(
            remedy(isProvable: true).command == "certctl issue --name a.example -d '*.a.example' -d a.example")
        #expect(remedy(isProvable: false).command == nil)
        #expect(remedy(isProvable: false).text.contains("with --dns PLUGIN and --dns-credentials FILE"))
    }

    @Test func `what did not help is not said again`() {
        let subject = FaultSubject(name: "a.example")
        for cause in [
            RecordedCause.notValidated(types: []), .refused(type: "malformed"), .other, .file(path: "/x", code: 28),
            .hook(kind: "pre", identity: "/x"),
        ] {
            let (first, second) = [false, true].map { Fault.renewal(cause, subject, isRepeated: $0).remedy }.pair
            #expect(first != second && second?.command == nil, "\(cause)")
        }
        let tried = Fault.served(name: "a.example", tried: true, restart: nil).remedy
        #expect(tried?.command == nil && tried?.text.hasSuffix("certctl deploy a.example") == true)
        #expect(Fault.hookFailed(name: "a", identity: "/h", isRepeated: true).remedy?.command == nil)
    }

    @Test func `one command is given for several certificates, where there is one`() {
        func steps(_ names: [String], _ remedy: (String) -> Remedy) -> [(name: String, remedy: Remedy)] {
            names.map { ($0, remedy($0)) }
        }
        #expect(
            Remedy.joined(steps(["a", "b"]) { .renew([$0], isForced: true) })?.command == "certctl renew --force a b")
        #expect(Remedy.joined(steps(["a", "b", "c", "d"]) { .renew([$0]) })?.command == "certctl renew")
        let reloads = steps(["a", "b", "c", "d"]) { Fault.noReload(name: $0).remedy ?? .deploy() }
        #expect(Remedy.joined(reloads)?.command == "certctl setup --yes && certctl deploy")
        #expect(Remedy.joined(steps(["a", "b"]) { .run("mkdir -p /\($0)") }) == nil)
        #expect(Remedy.joined([]) == nil)
    }

    @Test func `no command has a blank to fill in`() {
        let subject = FaultSubject(name: "a b")
        for code in LineageProblem.Code.allCases {
            let command = Fault.lineage(code, subject).remedy?.command
            #expect(command?.contains("NAME") != true, "\(code)")
        }
        #expect(Fault.expired(name: "a b").remedy?.command == "certctl renew 'a b'")
    }
}

extension Problem {
    fileprivate func with(status: Int?) -> Problem {
        var problem = self
        problem.status = status
        return problem
    }
}

extension [Remedy?] {
    fileprivate var pair: (Remedy?, Remedy?) { (self[0], self[1]) }
}
