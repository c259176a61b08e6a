// What Prometheus itself makes of a file of rules: its complaints on standard error, or in JSON on standard output which metrics
// and labels each rule asks for. With a file of trials besides, whether each alert fires when it is to, and only then.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"go.yaml.in/yaml/v3"
)

// Between two samples of a trial's series.
const interval = time.Minute

// A rule, and what it asks for.
type rule struct {
	Name      string     `json:"name"`
	Selectors []selector `json:"selectors"`
	// By which it groups and matches.
	Labels []string `json:"labels"`
}

// A metric, and the labels that it is asked for by.
type selector struct {
	Metric string   `json:"metric"`
	Labels []string `json:"labels"`
}

// What an alert is tried with: series in the notation of promtool's tests, a sample a minute.
type trial struct {
	Alert  string         `yaml:"alert"`
	At     model.Duration `yaml:"at"`
	Series []string       `yaml:"series"`
	// The labels of each that fires.
	Fires []map[string]string `yaml:"fires"`
}

var promqlParser = parser.NewParser(parser.Options{})

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 1 && len(arguments) != 2 {
		return errors.New("usage: prometheus RULES [TRIALS]")
	}
	groups, errs := rulefmt.ParseFile(arguments[0], false, model.UTF8Validation, promqlParser, slog.Default())
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	found := []rule{}
	alerts := map[string]rulefmt.Rule{}
	for _, group := range groups.Groups {
		for _, written := range group.Rules {
			expression, err := promqlParser.ParseExpr(written.Expr)
			if err != nil {
				return fmt.Errorf("%s%s: %w", written.Alert, written.Record, err)
			}
			found = append(found, about(written.Alert+written.Record, expression))
			alerts[written.Alert] = written
		}
	}
	if len(arguments) == 2 {
		if err := try(alerts, arguments[1]); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func about(name string, expression parser.Expr) rule {
	rule := rule{Name: name, Selectors: []selector{}, Labels: []string{}}
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			selector := selector{Metric: node.Name, Labels: []string{}}
			for _, matcher := range node.LabelMatchers {
				if matcher.Name != labels.MetricName {
					selector.Labels = append(selector.Labels, matcher.Name)
				}
			}
			rule.Selectors = append(rule.Selectors, selector)
		case *parser.AggregateExpr:
			rule.Labels = append(rule.Labels, node.Grouping...)
		case *parser.BinaryExpr:
			if node.VectorMatching != nil {
				rule.Labels = append(rule.Labels, node.VectorMatching.MatchingLabels...)
			}
		}
		return nil
	})
	return rule
}

// Tries the alerts. Each has to be seen to fire, and to be quiet.
func try(alerts map[string]rulefmt.Rule, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var trials []trial
	if err := yaml.Unmarshal(text, &trials); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: promqlParser})
	var amiss []error
	fired, quiet := map[string]bool{}, map[string]bool{}
	for _, trial := range trials {
		alert, ok := alerts[trial.Alert]
		if !ok {
			amiss = append(amiss, fmt.Errorf("%s: there is no alert %s", file, trial.Alert))
			continue
		}
		expected := []string{}
		for _, of := range trial.Fires {
			expected = append(expected, labels.FromMap(of).String())
		}
		slices.Sort(expected)
		got, err := firing(engine, alert, trial)
		if err != nil {
			return fmt.Errorf("%s: %w", trial.Alert, err)
		}
		if !slices.Equal(got, expected) {
			amiss = append(amiss, fmt.Errorf("%s at %v with %v: fires for %v, not for %v", trial.Alert, trial.At, trial.Series, got, expected))
		}
		fired[trial.Alert] = fired[trial.Alert] || len(got) > 0
		quiet[trial.Alert] = quiet[trial.Alert] || len(got) == 0
	}
	for name := range alerts {
		if !fired[name] || !quiet[name] {
			amiss = append(amiss, fmt.Errorf("%s: no trial of %s in which it fires, or none in which it is quiet", file, name))
		}
	}
	return errors.Join(amiss...)
}

// The labels for which an alert fires: those for which its expression has held all of the time that it waits.
func firing(engine *promql.Engine, alert rulefmt.Rule, trial trial) ([]string, error) {
	series := []promql.Series{}
	for _, description := range trial.Series {
		name, values, err := promqlParser.ParseSeriesDesc(description)
		if err != nil {
			return nil, err
		}
		points := []promql.FPoint{}
		for minute, value := range values {
			if !value.Omitted {
				points = append(points, promql.FPoint{T: int64(minute) * interval.Milliseconds(), F: value.Value})
			}
		}
		series = append(series, promql.Series{Metric: name, Floats: points})
	}
	var firing []string
	for at := time.Duration(trial.At) - time.Duration(alert.For); at <= time.Duration(trial.At); at += interval {
		query, err := engine.NewInstantQuery(context.Background(), queryable(series), nil, alert.Expr, time.Unix(0, 0).Add(at))
		if err != nil {
			return nil, err
		}
		result, err := query.Exec(context.Background()).Vector()
		if err != nil {
			return nil, err
		}
		now := []string{}
		for _, sample := range result {
			now = append(now, labels.NewBuilder(sample.Metric).Del(labels.MetricName).Labels().String())
		}
		if firing == nil {
			firing = now
		}
		firing = slices.DeleteFunc(firing, func(name string) bool { return !slices.Contains(now, name) })
	}
	slices.Sort(firing)
	return firing, nil
}

func queryable(series []promql.Series) storage.Queryable {
	choose := func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		chosen := &set{at: -1}
		for _, one := range series {
			matches := func(matcher *labels.Matcher) bool { return matcher.Matches(one.Metric.Get(matcher.Name)) }
			if !slices.ContainsFunc(matchers, func(matcher *labels.Matcher) bool { return !matches(matcher) }) {
				chosen.series = append(chosen.series, promql.NewStorageSeries(one))
			}
		}
		return chosen
	}
	return &storage.MockQueryable{MockQuerier: &storage.MockQuerier{SelectMockFunction: choose}}
}

// Series, one after another.
type set struct {
	series []storage.Series
	at     int
}

func (s *set) Next() bool                        { s.at++; return s.at < len(s.series) }
func (s *set) At() storage.Series                { return s.series[s.at] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }
