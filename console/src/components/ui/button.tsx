import { cva, type VariantProps } from "class-variance-authority";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

export const buttonStyle = cva(
  "inline-flex shrink-0 items-center justify-center gap-2 rounded-lg text-sm font-medium whitespace-nowrap transition-colors disabled:opacity-55 [&_svg]:size-4 [&_svg]:shrink-0",
  {
    variants: {
      look: {
        main: "bg-accent text-accent-ink hover:brightness-110",
        plain: "border border-line bg-panel hover:bg-raised",
        quiet: "text-soft hover:bg-raised hover:text-ink",
        danger: "border border-line bg-panel text-bad hover:bg-bad-soft",
      },
      size: { normal: "h-9 px-3.5", small: "h-8 px-2.5", icon: "size-9" },
    },
    defaultVariants: { look: "plain", size: "normal" },
  },
);

type Props = ComponentProps<"button"> & VariantProps<typeof buttonStyle>;

export function Button({ className, look, size, type = "button", ...rest }: Props) {
  return <button type={type} className={cn(buttonStyle({ look, size }), className)} {...rest} />;
}
