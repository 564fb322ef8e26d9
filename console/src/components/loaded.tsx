import { Link, type LinkProps } from "@tanstack/react-router";
import { ArrowLeft } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError } from "@/lib/api";
import { Page } from "./page";
import { Failure, Loading, type Readable } from "./states";

interface Props<T> {
  of: Readable<T>;
  /** "the run". */
  what: string;
  /** The heading while there is none of its own; left away where a part of the screen has one. */
  title?: string;
  /** Where things of its kind are listed. */
  back: { to: LinkProps["to"]; name: string };
  children: (found: T) => ReactNode;
}

/** A thing with an address of its own, or why it is not shown. What was deleted meanwhile is not shown any more; what
 *  cannot be asked for just now stays. */
export function Loaded<T>({ of, what, title, back, children }: Props<T>) {
  if (of.data !== undefined && !isOver(of.error)) return children(of.data);
  const body = of.error ? (
    <>
      <Failure
        error={of.data === undefined ? of.error : new Error(`${of.error.message} It was here a moment ago.`)}
        title={isOver(of.error) && of.data !== undefined ? "It is gone" : undefined}
        onRetry={() => void of.refetch()}
      />
      <p className="px-4">
        <Link to={back.to} className="inline-flex items-center gap-1.5 text-sm text-accent">
          <ArrowLeft className="size-4" aria-hidden /> {back.name}
        </Link>
      </p>
    </>
  ) : (
    <Loading what={what} />
  );
  return title ? <Page title={title}>{body}</Page> : body;
}

const isOver = (error: Error | null) => error instanceof ApiError && (error.status === 404 || error.status === 403);
