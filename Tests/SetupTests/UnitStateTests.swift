import Deployment
import FoundationEssentials
import Setup
import Testing

struct UnitStateTests {
    @Test func `a timer's next start is read`() {
        let state = UnitState(
            properties: """
                Result=success
                LastTriggerUSec=@1764090000
                NextElapseUSecRealtime=@1764100000
                LoadState=loaded
                ActiveState=active
                UnitFileState=enabled
                """)
        #expect(state.isThere && state.isActive && state.isEnabled)
        #expect(state.nextStart == Date(timeIntervalSince1970: 1_764_100_000))
        #expect(state.lastStart == Date(timeIntervalSince1970: 1_764_090_000))
    }

    @Test func `a time in words is read, which systemd 252 writes whatever it is told`() {
        let state = UnitState(properties: "LoadState=loaded\nNextElapseUSecRealtime=Wed 2026-11-25 21:14:54 UTC")
        #expect(state.nextStart == Date(timeIntervalSince1970: 1_795_641_294))
    }

    @Test func `a time since the boot is read, and the earlier of two counts`() {
        let boot = Date(timeIntervalSince1970: 1_764_000_000)
        let timer = UnitState(
            properties: "LoadState=loaded\nNextElapseUSecRealtime=@1764100000\nNextElapseUSecMonotonic=1h 2min 3.5s",
            boot: boot)
        #expect(timer.nextStart == boot.addingTimeInterval(3723.5))
        let waiting = UnitState(
            properties:
                "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nRestartUSec=5min\nStateChangeTimestamp=@1764090000"
        )
        #expect(waiting.restart == Date(timeIntervalSince1970: 1_764_090_300))
        #expect(UnitState(properties: "LoadState=loaded\nSubState=dead\nRestartUSec=5min").restart == nil)
        #expect(
            UnitState(properties: "LoadState=loaded\nNextElapseUSecMonotonic=infinity", boot: boot).nextStart == nil)
    }

    @Test func `a service that failed has its exit code, and one that never ran has none`() {
        let failed = UnitState(
            properties:
                "LoadState=loaded\nActiveState=failed\nResult=exit-code\nExecMainStatus=1\nExecMainExitTimestamp=@1764090000"
        )
        #expect(failed.result == "exit-code" && failed.exitCode == 1)
        #expect(failed.lastEnd == Date(timeIntervalSince1970: 1_764_090_000))
        let fresh = UnitState(
            properties:
                "LoadState=loaded\nActiveState=inactive\nResult=success\nExecMainStatus=0\nExecMainExitTimestamp=")
        #expect(fresh.exitCode == nil && fresh.lastEnd == nil)
    }

    @Test(arguments: ["", "@0", "infinity", "n/a"])
    func `a time that never comes is none`(text: String) {
        #expect(UnitState(properties: "LoadState=loaded\nNextElapseUSecRealtime=\(text)").nextStart == nil)
    }

    @Test func `a unit that systemd does not know is not there`() {
        #expect(!UnitState(properties: "LoadState=not-found\nActiveState=inactive\nUnitFileState=").isThere)
    }

    @Test func `a host without systemd is told from one whose unit is missing`() async {
        await #expect(throws: Systemd.Absent.self) {
            _ = try await Systemd(systemctl: "/nonexistent/systemctl").state(of: "certctl.timer")
        }
    }
}
