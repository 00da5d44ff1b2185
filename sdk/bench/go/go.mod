module github.com/strata-exp/strata/sdk/bench/go

go 1.26.0

require (
	github.com/growthbook/growthbook-golang v0.7.0
	github.com/open-feature/go-sdk v1.20.0
)

require (
	github.com/tmaxmax/go-sse v0.10.0 // indirect
	go.uber.org/mock v0.6.0 // indirect
)
