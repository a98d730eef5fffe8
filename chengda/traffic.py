"""`chengda traffic`: the traffic module's jobs from the shell, on the user's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from chengda.console_output import console, plain_errors
from city.settings import SettingsError, load_settings

app = typer.Typer(
    no_args_is_help=True, help="Signal timing, proof by simulation, forecasts. 信号配时、仿真验证与流量预测。"
)

Net = Annotated[Path, typer.Argument(help="SUMO network (.net.xml) or .sumocfg. 路网文件")]
Routes = Annotated[
    list[Path], typer.Option("--routes", "-r", help="Demand, .rou.xml; may be repeated. 需求文件")
]
More = Annotated[list[Path], typer.Option("--additional", "-a", help="Further SUMO files. 附加文件")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for plan and report. 输出目录")]
Begin = Annotated[float | None, typer.Option("--begin", help="Begin in s. 开始秒")]
End = Annotated[float | None, typer.Option("--end", help="End in s. 结束秒")]
Seeds = Annotated[int, typer.Option(min=2, max=100, help="Fresh seeds for the proof. 验证用随机种子数")]


@app.command()
def fit(
    table: Annotated[Path, typer.Argument(help="CSV: traffic_flow,signal_light_time")],
    predict: Annotated[
        list[float], typer.Option("--predict", "-p", help="Flow to predict for. 要预测的流量")
    ] = [],  # noqa: B006
    method: Annotated[
        str, typer.Option(help="least-squares or gradient-descent. 最小二乘或梯度下降")
    ] = "least-squares",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of gradient descent. 训练轮数")] = 200,
    rate: Annotated[float, typer.Option(help="Learning rate. 学习率")] = 0.1,
) -> None:
    """Fit green time as a line of traffic flow. 由车流量拟合绿灯时长。"""
    from actions.traffic.errors import TrafficError
    from actions.traffic.linear import fit_gradient_descent, fit_least_squares, read_flow_table

    if method not in {"least-squares", "gradient-descent"}:
        raise typer.BadParameter("use least-squares or gradient-descent", param_hint="--method")
    with plain_errors(TrafficError):
        flows, greens = read_flow_table(table)
        if method == "gradient-descent":
            model = fit_gradient_descent(flows, greens, epochs, rate)
            for number, mae in enumerate(model.epoch_mae_s, start=1):
                if number <= 5 or number % max(1, epochs // 20) == 0 or number == epochs:
                    console.print(f"epoch {number:>5}  MAE {mae:.6f} s")
        else:
            model = fit_least_squares(flows, greens)
        console.print(f"signal_light_time = {model.intercept_s:.6g} + {model.slope:.6g} × traffic_flow")
        console.print(f"MAE {model.mae_s:.4g} s · R² {model.r2:.4f} · {model.rows} rows")
        checks = model.residuals
        if checks.normal_p is not None:
            console.print(
                f"residuals: normal p {checks.normal_p:.3f} · equal variance p {checks.equal_variance_p:.3f} · "
                f"Durbin-Watson {checks.durbin_watson:.2f} · outliers in rows {[i + 2 for i in checks.outliers]} · "
                f"{'sound' if checks.sound else 'the interval is not to be trusted'}"
            )
        for flow in predict:
            low, high = model.interval(flow)
            note = " (far outside the table)" if model.extrapolates(flow) else ""
            console.print(
                f"traffic_flow {flow:g} → {model.predict(flow):.4g} s, 95 % {low:.4g}–{high:.4g} s{note}"
            )


@app.command()
def forecast(
    counts: Annotated[Path, typer.Argument(help="CSV of counts per lane group. 车道组流量表")],
    intersection: Annotated[str, typer.Option(help="Id; the first one if left out. 路口编号")] = "",
    method: Annotated[str, typer.Option(help="base, ridge or boosting. 预测方法")] = "ridge",
    minutes: Annotated[int, typer.Option(help="15 or 60. 时间间隔")] = 60,
    hours: Annotated[int, typer.Option(min=1, max=168, help="Hours ahead. 预测小时数")] = 24,
    zone: Annotated[str, typer.Option(help="Time zone of times without offset. 时区")] = "Asia/Shanghai",
    backtest: Annotated[bool, typer.Option("--backtest", help="Compare methods on past days. 回测")] = False,
) -> None:
    """Forecast an intersection's flow with a p10–p90 band. 预测路口流量。"""
    import pandas as pd

    from actions.traffic import forecast as flow
    from actions.traffic.counts import read_counts
    from actions.traffic.errors import TrafficError

    with plain_errors(TrafficError):
        data = read_counts(counts, ZoneInfo(zone))
        for problem in data.report.problems("en"):
            console.print(f"[yellow]![/] {problem}")
        name = intersection or data.intersections()[0]
        series = data.series(name, minutes)
        steps = hours * 60 // minutes
        if backtest:
            table = Table("method", "MAE veh/h", "WAPE", "MASE", "p10–p90 coverage", "points")
            for s in flow.backtest(series, minutes, min(steps, 24 * 60 // minutes)):
                cover = "" if s.coverage is None else f"{s.coverage:.0%}"
                table.add_row(
                    s.method, f"{s.mae:.1f}", f"{s.wape:.1%}", f"{s.mase:.3f}", cover, str(s.points)
                )
            console.print(table)
            return
        made = flow.FlowModel(method, minutes, steps).fit(series)
        index = pd.date_range(
            series.index[-1] + pd.Timedelta(minutes=minutes), periods=steps, freq=f"{minutes}min"
        )
        result = made.predict(index)
        table = Table("time", "p10", "p50 veh/h", "p90", title=name)
        for when in index:
            row = (f"{x[when]:.0f}" for x in (result.p10, result.p50, result.p90))
            table.add_row(f"{when:%Y-%m-%d %H:%M}", *row)
        console.print(table)


@app.command()
def optimise(
    net: Net,
    routes: Routes = [],  # noqa: B006
    additional: More = [],  # noqa: B006
    out: Out = None,
    begin: Begin = None,
    end: End = None,
    time_limit: Annotated[float, typer.Option(min=1, help="Seconds of search. 搜索时限")] = 120.0,
    seeds: Seeds = 5,
    max_cycle: Annotated[float, typer.Option(help="Longest cycle in s. 最长周期")] = 120.0,
    min_cycle: Annotated[float, typer.Option(help="Shortest cycle in s. 最短周期")] = 30.0,
) -> None:
    """Search a better plan for every signal and prove it in SUMO. 搜索更优方案并用仿真验证。"""
    from actions.traffic.errors import TrafficError
    from actions.traffic.sumo.job import optimise as run
    from actions.traffic.sumo.optimise import SearchLimits
    from actions.traffic.sumo.scenario import open_scenario

    with plain_errors(TrafficError):
        scenario = open_scenario(net, routes, additional, begin, end)
        limits = SearchLimits(time_s=time_limit, min_cycle_s=min_cycle, max_cycle_s=max_cycle)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        with console.status("…") as status:
            report = run(
                scenario,
                limits,
                range(1, seeds + 1),
                out,
                lambda share, text: status.update(f"{share:4.0%} {text}"),
            )
        _print_report(report)
        if out is not None:
            console.print(f"{out / 'report.json'}")
            if report["recommended"]:
                console.print(f"{out / 'plan.add.xml'}")


@app.command()
def verify(
    net: Net,
    plan: Annotated[
        Path, typer.Option("--plan", "-p", help="Additional file with the plan to prove. 待验证方案")
    ],
    routes: Routes = [],  # noqa: B006
    additional: More = [],  # noqa: B006
    begin: Begin = None,
    end: End = None,
    seeds: Seeds = 5,
) -> None:
    """Prove your own plan against the one in place, actuated and max-pressure control. 验证自己的方案。"""
    from actions.traffic.errors import TrafficError
    from actions.traffic.sumo.job import prove_file
    from actions.traffic.sumo.scenario import open_scenario

    with plain_errors(TrafficError):
        scenario = open_scenario(net, routes, additional, begin, end)
        with console.status("…") as status:
            report = prove_file(
                scenario, plan, range(1, seeds + 1), lambda share, text: status.update(f"{share:4.0%} {text}")
            )
        _print_report(report)
    if not report["recommended"]:
        raise typer.Exit(2)


@app.command()
def coordinate(
    street: Annotated[str, typer.Argument(help="Id of the street, such as renmin. 道路编号")],
    intersections: Annotated[
        Path | None, typer.Option(help="GeoJSON; the city's own if left out. 路口文件")
    ] = None,
    cycle: Annotated[float | None, typer.Option(help="Common cycle in s. 公共周期")] = None,
    speed: Annotated[float, typer.Option(min=5, max=120, help="Progression speed, km/h. 绿波车速")] = 40.0,
    out: Out = None,
) -> None:
    """Find offsets with the widest green bands along a street. 计算干线绿波相位差。"""
    from actions.traffic import charts
    from actions.traffic.catalogue import read_intersections
    from actions.traffic.errors import TrafficError
    from actions.traffic.setup import section_of
    from actions.traffic.signals import arterial

    with plain_errors(TrafficError, SettingsError):
        settings = load_settings()
        path = intersections or settings.path(section_of(settings).intersections)
        signals, result = arterial(read_intersections(path), street, cycle, speed)
        for signal in signals:
            console.print(
                f"{signal.id:<24} {signal.position_m:>8.0f} m   offset {result.offsets_s[signal.id]:>5.0f} s"
            )
        console.print(
            f"cycle {result.cycle_s:g} s · bands {result.out_band_s:g} s out, {result.in_band_s:g} s in · "
            f"efficiency {result.efficiency:.0%}"
        )
        if out is not None:
            console.print(str(charts.time_space_diagram(signals, result, out, "zh")))


@app.command()
def report(
    intersection: Annotated[str, typer.Argument(help="Id, such as renmin-jiefang. 路口编号")],
    period: Annotated[str, typer.Option(help="morning, midday, evening or night. 时段")] = "morning",
    weekend: Annotated[bool, typer.Option("--weekend", help="Saturday and Sunday. 周末")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON. 输出 JSON")] = False,
) -> None:
    """Delay, level of service and queues of a city intersection under today's and better plans. 路口评价报告。"""
    from actions.traffic.errors import TrafficError, UnknownIntersectionError
    from actions.traffic.setup import load_service
    from actions.traffic.when import PEAKS

    if period not in PEAKS:
        raise typer.BadParameter(f"use one of {', '.join(PEAKS)}", param_hint="--period")
    with plain_errors(TrafficError, SettingsError):
        service = load_service(load_settings())
        item = service.intersections.get(intersection)
        if item is None:
            known = ", ".join(service.intersections)
            raise UnknownIntersectionError(
                f"没有路口 {intersection}，已登记：{known}",
                f"no intersection {intersection!r}; known ones: {known}",
            )
        study = service.desk.study(item, period, weekend)
        if as_json:
            typer.echo(
                json.dumps({k: a.to_dict() for k, a in study.analyses.items()}, ensure_ascii=False, indent=1)
            )
            return
        for key, analysis in study.analyses.items():
            table = Table(
                "lane group",
                "veh/h",
                "v/c",
                "delay s",
                "LOS",
                "95 % queue m",
                title=f"{key}: cycle {analysis.cycle_s:g} s",
            )
            for g in analysis.groups:
                row = (
                    g.id,
                    f"{g.volume_vph:.0f}",
                    f"{g.ratio:.2f}",
                    f"{g.delay_s:.1f}",
                    g.level,
                    f"{g.queue_95_m:.0f}",
                )
                table.add_row(*row)
            console.print(table)
            console.print(f"mean delay {analysis.delay_s:.1f} s/veh, level of service {analysis.level}")


def _print_report(report: dict[str, Any]) -> None:
    table = Table("plan", "delay s/veh", "95 % interval", "unfinished", "teleports")
    for name, figures in report["plans"].items():
        table.add_row(
            name,
            f"{figures['delay_s']:.2f}",
            f"{figures['low_s']:.2f}–{figures['high_s']:.2f}",
            str(figures["unfinished"]),
            str(figures["teleports"]),
        )
    console.print(table)
    for tls, plans in report.get("signals", {}).items():
        for key in ("in_place", "ours"):
            p = plans[key]
            greens = "/".join(f"{s['green_s']:g}" for s in p["stages"])
            console.print(
                f"{tls} {key}: cycle {p['cycle_s']:g} s, greens {greens} s, order {p['order']}, offset {p['offset_s']:g} s"
            )
    gain = f"{report['gain']:.1%} (95 % {report['gain_low']:.1%} to {report['gain_high']:.1%})"
    if report["recommended"]:
        console.print(f"[green]✓[/] recommended, delay is lower by {gain} · 建议采用")
    else:
        console.print(f"[yellow]✗[/] keep today's plan, the gain is {gain} · 建议保留现行方案")
