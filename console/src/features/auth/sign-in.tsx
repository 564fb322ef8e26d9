import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import icon from "@/icon.svg";
import { ApiError, api, data, errorOf, keepTokens, serverUrl } from "@/lib/api";
import { keepCredentials } from "@/lib/session";

type Way = "password" | "key";

async function withKey(key: string) {
  const response = await fetch(`${serverUrl()}/v1/me`, { headers: { Authorization: `Bearer ${key}` } });
  if (!response.ok) throw await errorOf(response);
  keepCredentials({ kind: "key", key });
}

async function signIn(form: FormData, way: Way) {
  const text = (name: string) => String(form.get(name) ?? "").trim();
  try {
    if (way === "key") await withKey(text("key"));
    else {
      const body = { email: text("email"), password: String(form.get("password") ?? "") };
      keepTokens(await data(api.POST("/v1/auth/login", { body })));
    }
  } catch (error) {
    if (error instanceof TypeError) throw new ApiError("The server cannot be reached. Is it running?", 0, "offline");
    throw error;
  }
}

export function SignIn() {
  const [way, setWay] = useState<Way>("password");
  const entering = useMutation({ mutationFn: (form: FormData) => signIn(form, way) });
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    entering.mutate(new FormData(event.currentTarget));
  };
  const problem = entering.error?.message;
  return (
    <main className="grid min-h-dvh place-items-center px-4 py-10">
      <div className="w-full max-w-sm">
        <img src={icon} alt="" className="mb-4 size-11" />
        <h1 className="text-2xl font-semibold tracking-tight">Sign in to Glia</h1>
        <p className="mt-1 text-soft">
          With what the first start printed. It is also in <code className="font-mono text-sm">credentials.json</code>{" "}
          of the data directory.
        </p>
        <fieldset className="mt-6 flex gap-1 rounded-lg bg-raised p-1">
          <legend className="sr-only">Sign in with</legend>
          {(["password", "key"] as const).map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={way === each}
              className="h-9 flex-1 rounded-md text-sm font-medium text-soft aria-pressed:bg-panel aria-pressed:text-ink aria-pressed:shadow-sm"
              onClick={() => {
                setWay(each);
                entering.reset();
              }}
            >
              {each === "password" ? "Email and password" : "API key"}
            </button>
          ))}
        </fieldset>
        <form key={way} className="mt-5 space-y-4" onSubmit={onSubmit}>
          {way === "password" ? (
            <>
              <Field label="Email">
                {(given) => (
                  <Input {...given} name="email" autoComplete="username" required placeholder="admin@localhost" />
                )}
              </Field>
              <Field label="Password" error={problem}>
                {(given) => (
                  <Input {...given} name="password" type="password" autoComplete="current-password" required />
                )}
              </Field>
            </>
          ) : (
            <Field label="API key" error={problem}>
              {(given) => (
                <Input
                  {...given}
                  name="key"
                  type="password"
                  autoComplete="off"
                  required
                  placeholder="glia_…"
                  className="font-mono"
                />
              )}
            </Field>
          )}
          <Button type="submit" look="main" className="w-full" disabled={entering.isPending}>
            {entering.isPending ? "Signing in…" : "Sign in"}
          </Button>
        </form>
        <p className="mt-4 text-sm text-soft">You stay signed in in this tab until you close it.</p>
      </div>
    </main>
  );
}
