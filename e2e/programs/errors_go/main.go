// Sentry for Go: errors that are caught and uncaught, and messages.
//
//	main report      the same error twice, another one that wraps its cause, a message
//	main crash       a panic, reported by the deferred call that Sentry's guide shows
//
// Environment: SENTRY_DSN.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/getsentry/sentry-go"
)

type paymentError struct{ order int }

func (e *paymentError) Error() string { return fmt.Sprintf("order %d was declined", e.order) }

func charge(order, amount int) error {
	if amount > 100 {
		return &paymentError{order}
	}
	return nil
}

func pack(parcels map[string]int) error {
	if parcels["small"] == 0 {
		return fmt.Errorf("no parcel fits: %w", errors.New("no small parcel"))
	}
	return nil
}

func weigh(parcels []int) int { return parcels[3] }

func report() {
	sentry.AddBreadcrumb(&sentry.Breadcrumb{Category: "cart", Message: "checkout was opened", Data: map[string]interface{}{"lines": 3}})
	for _, order := range []int{4711, 4712} {
		if err := charge(order, 120); err != nil {
			sentry.CaptureException(err)
		}
	}
	if err := pack(map[string]int{"large": 1}); err != nil {
		sentry.CaptureException(err)
	}
	sentry.WithScope(func(scope *sentry.Scope) {
		scope.SetLevel(sentry.LevelWarning)
		sentry.CaptureMessage("stock of mugs is unknown")
	})
}

func crash() {
	defer func() {
		if cause := recover(); cause != nil {
			sentry.CurrentHub().Recover(cause)
			sentry.Flush(5 * time.Second)
			panic(cause)
		}
	}()
	weigh([]int{1})
}

func main() {
	err := sentry.Init(sentry.ClientOptions{Release: "shop@3.1.0", Environment: "canary", ServerName: "app-7", AttachStacktrace: true})
	if err != nil {
		panic(err)
	}
	sentry.ConfigureScope(func(scope *sentry.Scope) {
		scope.SetUser(sentry.User{ID: "user-42", Email: "anna@shop.example"})
		scope.SetTag("tenant", "acme")
		scope.SetContext("cart", map[string]interface{}{"lines": 3})
		scope.SetExtra("warehouse", "north")
	})
	switch os.Args[1] {
	case "report":
		report()
	case "crash":
		crash()
	}
	sentry.Flush(5 * time.Second)
}
