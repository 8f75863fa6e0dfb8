<?xml version="1.0"?>
<!-- SPDX-License-Identifier: GPL-3.0-or-later

     A domain that starts with this kernel; nothing else changes. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" encoding="UTF-8" omit-xml-declaration="yes"/>
  <xsl:param name="kernel"/>
  <xsl:param name="initrd"/>
  <xsl:param name="cmdline"/>

  <xsl:template match="@* | node()">
    <xsl:copy>
      <xsl:apply-templates select="@* | node()"/>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/os">
    <xsl:copy>
      <xsl:apply-templates select="@* | node()[not(self::kernel or self::initrd or self::cmdline)]"/>
      <kernel><xsl:value-of select="$kernel"/></kernel>
      <xsl:if test="$initrd != ''">
        <initrd><xsl:value-of select="$initrd"/></initrd>
      </xsl:if>
      <xsl:if test="$cmdline != ''">
        <cmdline><xsl:value-of select="$cmdline"/></cmdline>
      </xsl:if>
    </xsl:copy>
  </xsl:template>
</xsl:stylesheet>
